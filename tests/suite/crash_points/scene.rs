//! One pipeline on which a process dies and is continued.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;
use snapback::failpoint::Point;

use crate::outside::{LIMIT, MALFORMED, Offsets, Outcomes, Pipeline, Place, event};
use crate::support::process::{Finished, Program, Running};
use crate::support::{block_on, produce, read_all};

/// Events of one write, over all partitions.
const BURST: i64 = 1_000;
/// One event in so many is malformed, so that each batch and each snapshot has some.
const MALFORMED_EVERY: i64 = 5;
/// Writes of one scene: longer than any passage takes.
const BURSTS: u32 = 250;
const PAUSE: Duration = Duration::from_millis(15);

/// See the module.
pub struct Scene {
    pub pipeline: Pipeline,
    pub random: StdRng,
    /// What all lives of the process are started with.
    pub flags: Vec<String>,
    /// What must have become of the events, where it does not follow from those that are in the topic.
    pub expected: Option<(Outcomes, Offsets)>,
    /// What must hold at the end of a story of its own.
    check: Option<fn(&Pipeline)>,
    partitions: i32,
    sent: i64,
    bursts: u32,
    passage: u32,
}

/// How a scene ended.
pub struct Ending {
    /// Which passage of the point was the last.
    pub passage: u32,
    pub delivery: &'static str,
    pub results: usize,
    pub rejects: usize,
    /// Outcomes that the last life rebuilt.
    pub replayed: u64,
}

impl Scene {
    /// An empty topic and an empty store.
    pub fn new(store: Place, mut random: StdRng, partitions: i32) -> Scene {
        let workers = random.random_range(1..=partitions);
        Scene {
            pipeline: Pipeline::new(partitions, store),
            flags: ["--workers".to_owned(), workers.to_string()].into(),
            random,
            expected: None,
            check: None,
            partitions,
            sent: 0,
            bursts: 0,
            passage: 0,
        }
    }

    /// Another story instead, with its beginning and its own check of the end, in the same place.
    pub fn becomes(&mut self, begin: fn(Place) -> Pipeline, check: fn(&Pipeline)) {
        let place = self.pipeline.store.beside("-of-its-own");
        self.pipeline = begin(place);
        self.check = Some(check);
    }

    /// How many events were written.
    pub fn sent(&self) -> i64 {
        self.sent
    }

    /// Writes some events to all partitions.
    pub fn feed(&mut self) {
        let numbers = self.sent..self.sent + BURST;
        let partitions = i64::from(self.partitions);
        let records = numbers.clone().map(|n| {
            let payload = if n % MALFORMED_EVERY == 0 {
                let which = usize::try_from(n / MALFORMED_EVERY).expect("positive");
                MALFORMED[which % MALFORMED.len()].map(<[u8]>::to_vec)
            } else {
                Some(event(n))
            };
            let partition = i32::try_from(n % partitions).expect("small");
            (Some(partition), None, payload)
        });
        produce(&self.pipeline.brokers, &self.pipeline.events, records);
        self.sent = numbers.end;
        self.bursts += 1;
    }

    /// Writes on, for as long as it is reasonable.
    pub fn feed_on(&mut self) {
        if self.bursts < BURSTS {
            self.feed();
        }
    }

    /// A process that lives on: commits and snapshots come often, and a dead one's partitions are soon somebody else's.
    pub fn life(&self) -> Program {
        let program = self.pipeline.run().args(&self.flags);
        program
            .args(["--commit-interval", "20ms", "--snapshot-interval", "150ms"])
            .args(["-X", "session.timeout.ms=2000"])
    }

    /// A process that ends at the topic's end.
    pub fn life_to_end(&self) -> Program {
        self.life().arg("--exit-at-end")
    }

    /// Starts `program`, which dies at `point` when it has passed it up to `most` times; until then it does `meanwhile`.
    pub fn dies_at(
        &mut self,
        point: Point,
        most: u32,
        program: Program,
        mut meanwhile: impl FnMut(&mut Scene, &mut Running),
    ) -> Finished {
        self.passage = self.random.random_range(0..=most);
        let action = format!("{}={}*off->return", point.name(), self.passage);
        let running = program.env("FAILPOINTS", action).spawn();
        self.died_at(point, running, &mut meanwhile)
    }

    /// Waits until a process has died at `point`; until then it does `meanwhile`.
    pub fn died_at(
        &mut self,
        point: Point,
        mut running: Running,
        meanwhile: &mut dyn FnMut(&mut Scene, &mut Running),
    ) -> Finished {
        let since = Instant::now();
        while running.is_running() && since.elapsed() < LIMIT {
            meanwhile(self, &mut running);
            sleep(PAUSE);
        }
        let died = running.wait(Duration::ZERO);
        let there = format!("dies at the fail point {}\n", point.name());
        assert!(
            died.signal == Some(libc::SIGABRT) && died.stderr.contains(&there),
            "it did not die there: {:?}, signal {:?}\n{}",
            died.code,
            died.signal,
            died.stderr
        );
        died
    }

    /// As [`Scene::dies_at`], while events are written.
    pub fn dies_under_load(&mut self, point: Point, most: u32) {
        let life = self.life();
        self.dies_at(point, most, life, |scene, _| scene.feed_on());
    }

    /// Goes on to the end, and looks at everything from outside.
    pub fn finish(mut self) -> Ending {
        if self.expected.is_none() && self.check.is_none() {
            self.feed();
        }
        let last = self.life_to_end().args(["-o", "json"]).run().expect_code(0);
        let summary: Value = serde_json::from_str(&last.stdout).expect("a summary");
        let replayed = summary["replayed"].as_u64().expect("a count");
        if let Some(check) = self.check {
            check(&self.pipeline);
            let Pipeline {
                brokers,
                results,
                rejects,
                ..
            } = &self.pipeline;
            // Corrections included.
            let published = [results, rejects].map(|topic| read_all(brokers, topic).len());
            return self.ending(published, replayed);
        }
        let (expected, offsets) = match self.expected.take() {
            Some(known) => known,
            None => (self.pipeline.expected(), Offsets::default()),
        };
        if self.may_double() {
            self.pipeline.check_published_at_least_once(&expected);
            self.pipeline.check_stored(&expected, offsets);
        } else {
            self.pipeline.check_against(&expected, offsets);
        }
        self.ending([expected.results.len(), expected.rejects.len()], replayed)
    }

    fn ending(&self, [results, rejects]: [usize; 2], replayed: u64) -> Ending {
        Ending {
            passage: self.passage + 1,
            delivery: if self.may_double() {
                "at least"
            } else {
                "exactly"
            },
            results,
            rejects,
            replayed,
        }
    }

    fn may_double(&self) -> bool {
        self.flags.iter().any(|flag| flag == "at-least-once")
    }

    /// What lies in a folder of the store (`results/partition=0`), in the order of the names.
    pub fn objects(&self, folder: &str) -> Vec<ObjectPath> {
        let prefix = ObjectPath::from(format!("{}/{folder}", self.pipeline.events));
        let store = self.store();
        let listed = block_on(async { store.list(Some(&prefix)).try_collect::<Vec<_>>().await });
        let objects = listed.expect("a store that can be listed").into_iter();
        let mut paths: Vec<ObjectPath> = objects.map(|object| object.location).collect();
        paths.sort();
        paths
    }

    /// Writes half of an object over it.
    pub fn damage(&self, path: &ObjectPath) {
        let store = self.store();
        let halved = block_on(async {
            let whole = store.get(path).await?.bytes().await?;
            let half = PutPayload::from(whole.slice(..whole.len() / 2));
            store.put(path, half).await
        });
        halved.expect("an object that can be written");
    }

    /// Moves a segment to where tidying puts what no manifest lists.
    pub fn move_to_the_attic(&self, path: &ObjectPath) {
        let (events, store) = (&self.pipeline.events, self.store());
        let inside = path.as_ref().strip_prefix(events.as_str());
        let attic = format!("{events}/_attic{}", inside.expect("a path of this topic"));
        let moved = block_on(async { store.rename(path, &ObjectPath::from(attic)).await });
        moved.expect("an object that can be moved");
    }

    fn store(&self) -> Arc<dyn ObjectStore> {
        match &self.pipeline.store {
            Place::Folder { .. } => {
                let folder = LocalFileSystem::new_with_prefix(self.pipeline.store.path());
                Arc::new(folder.expect("a folder that exists"))
            }
            Place::Bucket { server, prefix } => {
                Arc::new(PrefixStore::new(server.client(), prefix.as_str()))
            }
        }
    }
}
