//! Years of a partition in minutes: the real keeper under a trickle of made-up events, on a clock that jumps to the next moment at
//! which something is to be done. The runtime's clock must be paused.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use snapback::calculation::{Condition, Evaluator, builtin};
use snapback::events::Fields;
use snapback::format::{Edit, Identity, KnownCommit, Pipeline, RangeOutcomes};
use snapback::history::{Appended, Chain, Clock};
use snapback::model::{Event, Offset, OffsetRange, Partition};
use snapback::processor::{LoneKeeper, LoneSettings};
use snapback::store::Store;

use super::counted::{Counted, Counts, counted};

pub const PARTITION: Partition = Partition(0);
/// The most that a snapshot may take beyond its interval.
const LATE: u32 = 20;
/// How often the clock is looked at.
const MOMENT: Duration = Duration::from_secs(1);

/// What comes in, and how it is kept.
#[derive(Clone, Debug)]
pub struct Trickle {
    pub topic: String,
    /// Of each snapshot.
    pub events: u64,
    /// Every so many events one is no JSON.
    pub reject_every: Option<u64>,
    /// As `--where`.
    pub condition: Option<&'static str>,
    /// Every so many offsets there is the marker of a transaction.
    pub marker_every: Option<u64>,
    pub interval: Duration,
    pub keep: Duration,
    pub scrub: Option<Duration>,
}

impl Trickle {
    /// Ten events and as many seconds as the default interval has.
    pub fn usual() -> Trickle {
        Trickle {
            topic: "events".to_owned(),
            events: 10,
            reject_every: None,
            condition: None,
            marker_every: None,
            interval: Duration::from_secs(30),
            keep: Duration::from_hours(24),
            scrub: None,
        }
    }

    /// Whether an offset is no event.
    fn is_marker(&self, number: u64) -> bool {
        let every = self.marker_every;
        every.is_some_and(|every| number % every == every - 1)
    }

    fn evaluator(&self) -> Evaluator {
        let condition = self.condition.map(Condition::parse);
        let condition = condition.transpose().expect("a condition");
        let evaluator = evaluator().with_condition(condition.as_ref());
        evaluator.expect("a condition over the number")
    }

    /// The payload of an event.
    pub fn payload(&self, number: u64) -> Vec<u8> {
        match self.reject_every {
            Some(every) if number % every == every - 1 => b"no JSON".to_vec(),
            _ => format!("{{\"number\":{number}}}").into_bytes(),
        }
    }
}

/// A partition that grows old.
pub struct Aging {
    pub trickle: Trickle,
    pub counter: Counted,
    pub store: Store,
    clock: Clock,
    evaluator: Arc<Evaluator>,
    keeper: LoneKeeper,
    next: u64,
}

pub fn evaluator() -> Evaluator {
    let fields = Fields::parse("number BIGINT NOT NULL").expect("fields");
    let square = builtin("square").expect("square");
    Evaluator::new(fields, square).expect("square of a BIGINT")
}

/// A pipeline that nobody runs.
pub fn pipeline(topic: &str) -> Pipeline {
    Pipeline {
        cluster_id: None,
        group: "aging".to_owned(),
        events_topic: topic.to_owned(),
        events_topic_id: None,
        events_partitions: Some(1),
        results_topic: format!("{topic}-results"),
        results_partitions: 1,
    }
}

fn offset(number: u64) -> Offset {
    Offset::ZERO.plus(number)
}

/// A clock that the one who drives moves.
pub fn clock() -> Clock {
    let time = "2026-01-01T00:00:00Z".parse().expect("a time");
    Clock::manual(time, 1)
}

impl Aging {
    /// A partition of `pipeline` that is bound in an empty store. One that waits for disks or servers is asked on the runtime `real`.
    pub async fn begin(
        store: Store,
        real: Option<tokio::runtime::Handle>,
        pipeline: Pipeline,
        trickle: Trickle,
    ) -> Aging {
        let (clock, evaluator) = (clock(), Arc::new(trickle.evaluator()));
        let (store, counter) = counted(store, &clock, trickle.events, real);
        let identity = Identity {
            topic: trickle.topic.clone(),
            partition: PARTITION,
            declaration: evaluator.declaration(),
            writer: "aging".to_owned(),
        };
        let chain = Chain::load(store.clone(), identity, clock.clone()).await;
        let mut chain = chain.expect("an empty store");
        let bind = Edit::Bind {
            pipeline,
            partition: PARTITION,
            origin: Offset::ZERO,
        };
        let bound = chain.append(bind, None).await.expect("the first manifest");
        assert!(matches!(bound, Appended::Won { .. }));
        let settings = LoneSettings {
            snapshot_interval: trickle.interval,
            keep: trickle.keep,
            memory: 256 << 20,
            scrub: trickle.scrub,
        };
        let keeper = LoneKeeper::start(chain, Arc::clone(&evaluator), &settings).await;
        Aging {
            trickle,
            counter,
            store,
            clock,
            evaluator,
            keeper: keeper.expect("it is bound"),
            next: 0,
        }
    }

    /// Hands over the events of one interval, and waits until they are stored.
    pub async fn snapshot(&mut self) {
        let (start, end) = (self.next, self.next + self.trickle.events);
        self.keeper.keep(self.outcomes(start, end));
        self.next = end;
        for _ in 0..self.trickle.interval.as_secs() * u64::from(LATE) {
            self.wait(MOMENT).await;
            let (head, stored) = self.keeper.stored().expect("a keeper that works");
            if stored == offset(end) {
                self.keeper.committed(KnownCommit::new(head, None));
                return;
            }
        }
        panic!("the snapshot up to {end} does not come");
    }

    /// So many of them; what was asked of the store meanwhile.
    pub async fn snapshots(&mut self, count: u64) -> Counts {
        let before = self.counter.counts();
        for _ in 0..count {
            self.snapshot().await;
        }
        self.counter.counts().since(&before)
    }

    /// Nothing comes for so long.
    pub async fn rest(&mut self, time: Duration) -> Counts {
        let before = self.counter.counts();
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(self.trickle.interval);
            self.wait(step).await;
            left -= step;
            let (head, _) = self.keeper.stored().expect("a keeper that works");
            self.keeper.committed(KnownCommit::new(head, None));
        }
        self.counter.counts().since(&before)
    }

    /// Ends the keeper.
    pub async fn end(self) -> Store {
        let left = self.keeper.leave(Duration::from_mins(10)).await;
        left.expect("everything is stored");
        self.store
    }

    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
        self.clock
            .advance(TimeDelta::from_std(time).expect("a short time"));
    }

    fn outcomes(&self, start: u64, end: u64) -> RangeOutcomes {
        let payloads: Vec<Vec<u8>> = (start..end).map(|n| self.trickle.payload(n)).collect();
        let time = self.clock.now().timestamp_millis();
        let events = payloads.iter().enumerate();
        let events = events.filter(|(index, _)| !self.trickle.is_marker(start + *index as u64));
        let events = events.map(|(index, payload)| Event {
            offset: offset(start + index as u64),
            timestamp: Some(time),
            key: None,
            payload: Some(payload),
        });
        let events: Vec<Event<'_>> = events.collect();
        let evaluated = self
            .evaluator
            .evaluate(events.into_iter())
            .expect("squares");
        let range = OffsetRange::new(offset(start), offset(end)).expect("ascending");
        RangeOutcomes::new(range, evaluated).expect("of this range")
    }
}
