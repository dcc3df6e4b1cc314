//! One seed, simulated twice: owners that come, crash and are replaced, zombies that come too late, ranges that are given up and
//! filled again beside them, a store that fails; and in the end the same files, byte by byte. What differs would depend on something that no seed decides: the real time, the order
//! of a hash map, an address.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::TimeDelta;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    Chain, Clock, Pending, Repair, Written, give_up,
    testing::{Fault, Faulty, assert_glob, bound, chain, pending},
    tidy, write_repair, write_snapshot,
};
use crate::{
    format::{
        GapReason, Segment,
        testing::{encoded, identity},
    },
    model::{Offset, OffsetRange},
    store::Path,
};

const STEPS: usize = 120;
const SEEDS: u64 = 8;

/// A process that holds the partition, or believes so.
struct Writer {
    name: String,
    chain: Chain,
    pending: Option<Pending>,
    /// What it is filling a gap with.
    filling: Option<Repair>,
}

struct Simulation {
    random: StdRng,
    store: Faulty,
    clock: Clock,
    writers: Vec<Writer>,
    committed: i64,
    /// What happened, for the reader of a failure.
    log: Vec<String>,
}

impl Simulation {
    async fn new(seed: u64) -> Simulation {
        let mut random = StdRng::seed_from_u64(seed);
        // Long ago: the memory store stamps files with the real time, so that to this clock all of them are young.
        let start = "2020-01-01T00:00:00Z".parse().unwrap();
        let clock = Clock::manual(start, random.random());
        let store = Faulty::default();
        let mut writers = Vec::new();
        for name in ["first", "second"] {
            let chain = match writers.is_empty() {
                true => bound(&store.store(), name, &clock, 0).await,
                false => chain(&store.store(), name, &clock).await,
            };
            writers.push(Writer {
                name: name.to_owned(),
                chain,
                pending: None,
                filling: None,
            });
        }
        Simulation {
            random,
            store,
            clock,
            writers,
            committed: 0,
            log: Vec::new(),
        }
    }

    async fn step(&mut self) {
        match self.random.random_range(0..13) {
            0..3 => self.committed += self.random.random_range(1..80),
            3 => {
                let pause = TimeDelta::seconds(self.random.random_range(1..900));
                self.clock.advance(pause);
            }
            4 => self.break_the_store(),
            5 => self.store.land().await,
            6 => self.replace_a_writer().await,
            7 => self.give_up().await,
            8 | 9 => self.fill().await,
            _ => self.snapshot().await,
        }
    }

    fn break_the_store(&mut self) {
        let faults =
            (0..self.random.random_range(1..9)).map(|_| match self.random.random_range(0..5) {
                0 => Fault::LandsButFails,
                1 => Fault::Fails,
                2 => Fault::Conflict,
                3 => Fault::LandsAfter(self.random.random_range(1..4)),
                _ => Fault::LandsOnDemand,
            });
        let faults: Vec<Fault> = faults.collect();
        self.log.push(format!("faults: {faults:?}"));
        self.store.next(faults);
        self.store.puts_fail(self.random.random_bool(0.3));
    }

    /// One dies with what it had in memory; its successor tidies before it writes.
    async fn replace_a_writer(&mut self) {
        let index = self.random.random_range(0..self.writers.len());
        let name = self.writers[index].name.clone();
        let head = self.writers[index].chain.tail().head();
        let mut successor = chain(&self.store.store(), &name, &self.clock).await;
        let tidied = tidy(&mut successor, head).await;
        self.log.push(format!("{name} dies; {tidied:?}"));
        self.writers[index].chain = successor;
        self.writers[index].pending = None;
        self.writers[index].filling = None;
    }

    /// One makes a gap of a range that is live as it sees the chain.
    async fn give_up(&mut self) {
        let index = self.random.random_range(0..self.writers.len());
        let chain = &mut self.writers[index].chain;
        let live = |chain: &Chain| -> Vec<Segment> {
            let newest = chain.newest();
            newest.map_or(Vec::new(), |newest| newest.open.segments.clone())
        };
        let live = live(chain);
        if live.is_empty() {
            return;
        }
        let range = live[self.random.random_range(0..live.len())].range;
        let replaced: Vec<Segment> = live.into_iter().filter(|one| one.range == range).collect();
        let given_up = give_up(chain, range, GapReason::Damaged, &replaced).await;
        let name = &self.writers[index].name;
        self.log
            .push(format!("{name} gives up {range}: {given_up:?}"));
        if let Err(error) = given_up {
            assert!(error.is_retryable(), "{error}\n{:#?}", self.log);
        }
    }

    /// One fills a gap, or half of one, or goes on with what it had before.
    async fn fill(&mut self) {
        let index = self.random.random_range(0..self.writers.len());
        let writer = &mut self.writers[index];
        if writer.filling.is_none() {
            let newest = writer.chain.newest();
            let gaps: Vec<OffsetRange> = newest.map_or(Vec::new(), |newest| {
                newest.gaps.iter().map(|gap| gap.range).collect()
            });
            if gaps.is_empty() {
                return;
            }
            let gap = gaps[self.random.random_range(0..gaps.len())];
            let (start, end) = (gap.start().get(), gap.end().get());
            let end = match self.random.random_bool(0.5) {
                true => end,
                false => start + (end - start + 1) / 2,
            };
            let made = encoded(start, end, &identity(&writer.name));
            writer.filling = Some(Repair::filling(made));
        }
        self.go_on_filling(index).await;
    }

    async fn go_on_filling(&mut self, index: usize) {
        let writer = &mut self.writers[index];
        let Some(filling) = &mut writer.filling else {
            return;
        };
        let filled = write_repair(&mut writer.chain, filling).await;
        self.log.push(format!("{} fills: {filled:?}", writer.name));
        match filled {
            Ok(_) => writer.filling = None,
            Err(error) => assert!(error.is_retryable(), "{error}\n{:#?}", self.log),
        }
    }

    /// One brings what is committed, or what it had before, into the chain, unless the store fails.
    async fn snapshot(&mut self) {
        let index = self.random.random_range(0..self.writers.len());
        let (writer, committed) = (&mut self.writers[index], self.committed);
        let end = writer.chain.end().map_or(0, Offset::get);
        if writer.pending.is_none() && end < committed {
            writer.pending = Some(pending(end, committed));
        }
        if let Some(outcomes) = &mut writer.pending {
            let written = write_snapshot(&mut writer.chain, outcomes).await;
            self.log.push(format!("{}: {written:?}", writer.name));
            match written {
                Ok(Written { .. }) => writer.pending = None,
                Err(error) => assert!(error.is_retryable(), "{error}\n{:#?}", self.log),
            }
        }
    }

    /// The store is well again, everybody finishes, and the last one tidies.
    async fn finish(mut self) -> (BTreeMap<Path, Bytes>, Vec<String>) {
        self.store.heal();
        self.store.land().await;
        self.committed += 1;
        for index in 0..self.writers.len() {
            let (writer, committed) = (&mut self.writers[index], self.committed);
            let left = writer.pending.take();
            let mut left = left.into_iter().collect::<Vec<_>>();
            writer.chain.reload().await.unwrap();
            let end = writer.chain.end().unwrap().get();
            if end < committed {
                left.push(pending(end, committed));
            }
            for mut outcomes in left {
                write_snapshot(&mut writer.chain, &mut outcomes)
                    .await
                    .unwrap();
            }
        }
        for index in 0..self.writers.len() {
            self.go_on_filling(index).await;
        }
        // Of what was given up, nothing stays lost.
        self.writers[0].chain.reload().await.unwrap();
        while let Some(gap) = self.writers[0]
            .chain
            .newest()
            .unwrap()
            .gaps
            .first()
            .copied()
        {
            let (start, end) = (gap.range.start().get(), gap.range.end().get());
            let made = encoded(start, end, &identity(&self.writers[0].name));
            self.writers[0].filling = Some(Repair::filling(made));
            self.go_on_filling(0).await;
        }
        let head = self.writers[0].chain.tail().head();
        tidy(&mut self.writers[0].chain, head).await.unwrap();
        let store = self.store.store();
        assert_glob(&store, 0, self.committed).await;
        let mut files = BTreeMap::new();
        for entry in store.list(&Path::root()).await.unwrap() {
            let bytes = store.get(&entry.path, entry.size).await.unwrap();
            files.insert(entry.path, bytes);
        }
        (files, self.log)
    }
}

async fn simulate(seed: u64) -> (BTreeMap<Path, Bytes>, Vec<String>) {
    let mut simulation = Simulation::new(seed).await;
    for _ in 0..STEPS {
        simulation.step().await;
    }
    simulation.finish().await
}

#[tokio::test(start_paused = true)]
async fn one_seed_gives_the_same_files_byte_by_byte() {
    let (mut failures, mut gaps, mut fillings) = (0, 0, 0);
    for seed in 0..SEEDS {
        let (files, log) = simulate(seed).await;
        let (again, second_log) = simulate(seed).await;
        assert_eq!(log, second_log, "seed {seed}");
        let paths = |files: &BTreeMap<Path, Bytes>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(paths(&files), paths(&again), "seed {seed}");
        for (path, bytes) in &files {
            assert!(again[path] == *bytes, "seed {seed}: {path} differs");
        }
        let logged = |what: &str| log.iter().filter(|line| line.contains(what)).count();
        failures += logged("Err(");
        gaps += logged(": Ok(Done)");
        fillings += logged("fills: Ok(Done(");
        let (other, _) = simulate(seed + SEEDS).await;
        assert!(paths(&files) != paths(&other), "seeds decide nothing");
    }
    assert!(failures > 0, "the store never failed");
    assert!(
        gaps > 0 && fillings >= gaps,
        "{gaps} gaps, {fillings} fillings"
    );
}
