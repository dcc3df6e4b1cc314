//! Kinds of work that do as a test says, under the real keeper's background.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use futures::{
    FutureExt,
    future::{BoxFuture, ready},
};

use super::*;
use crate::{
    format::testing::PARTITION,
    history::{
        MergeLimits,
        testing::{Faulty, bound, clock},
    },
    processor::{
        Budget, Stop,
        keeper::{handle::Shown, tests::compactor},
        memory::{Ledger, Part},
        partition::Epoch,
        report::Reporter,
        store_side::{BackgroundSettings, StoreSide},
        watch::{Board, board::tests::about},
    },
    recovery::Limits,
};

const STEP: Duration = Duration::from_millis(100);

/// What has happened, and how many are at it.
#[derive(Default)]
struct Book {
    steps: Mutex<Vec<&'static str>>,
    at_work: AtomicUsize,
    most: AtomicUsize,
}

/// Work that is due as it says, for so many steps.
struct Scripted {
    name: &'static str,
    due: Due,
    left: usize,
    /// How often the store refuses what each step makes.
    refusals: usize,
    book: Arc<Book>,
}

impl Work for Scripted {
    fn due(&mut self, _site: &Site, known: &Known<'_>) -> Due {
        match self.due {
            _ if self.left == 0 => Due::Nothing,
            Due::At(moment) if moment <= known.now => Due::Now,
            due => due,
        }
    }

    fn step<'w>(&'w mut self, _site: &'w Site, _chain: &'w Chain) -> BoxFuture<'w, Step> {
        async move {
            let at_work = self.book.at_work.fetch_add(1, Ordering::SeqCst) + 1;
            self.book.most.fetch_max(at_work, Ordering::SeqCst);
            tokio::time::sleep(STEP).await;
            self.book.at_work.fetch_sub(1, Ordering::SeqCst);
            self.book.steps.lock().unwrap().push(self.name);
            self.left -= 1;
            match self.refusals {
                0 => Step::Done,
                _ => Step::Write(0),
            }
        }
        .boxed()
    }

    fn write<'w>(&'w mut self, _site: &'w Site, _chain: &'w mut Chain) -> BoxFuture<'w, Written> {
        let written = match self.refusals {
            0 => Written::Nothing,
            _ => Written::Waits(Waits {
                kind: self.name,
                text: format!("{} waits", self.name),
                passes: true,
            }),
        };
        self.refusals = self.refusals.saturating_sub(1);
        ready(written).boxed()
    }
}

struct Setting {
    chain: Chain,
    store_side: Arc<StoreSide>,
    book: Arc<Book>,
}

impl Setting {
    async fn new() -> Setting {
        let chain = bound(&Faulty::default().store(), "ours", &clock(), 0).await;
        let stop = Stop::default();
        let limits = Limits {
            results: 1_000_000,
            rejects: 1_000_000,
        };
        let store_side = StoreSide::new(
            Duration::from_secs(30),
            tokio::runtime::Handle::current(),
            stop.clone(),
            Board::of(about(), 1, stop),
            BackgroundSettings {
                recalculator: None,
                scrub: None,
                compactor: compactor(),
                keep: Duration::from_secs(24 * 60 * 60),
            },
            limits,
        );
        Setting {
            chain,
            store_side: Arc::new(store_side),
            book: Arc::default(),
        }
    }

    fn background(&self, kinds: &[(&'static str, Due, usize)]) -> Background {
        self.refused(kinds, 0)
    }

    /// With what each kind makes refused so often.
    fn refused(&self, kinds: &[(&'static str, Due, usize)], refusals: usize) -> Background {
        let site = self.site();
        let kinds = kinds.iter().map(|(name, due, left)| {
            let book = Arc::clone(&self.book);
            let (name, due, left) = (*name, *due, *left);
            Box::new(Scripted {
                name,
                due,
                left,
                refusals,
                book,
            }) as Box<dyn Work>
        });
        Background::new(site, kinds.collect())
    }

    fn site(&self) -> Site {
        let budget = Budget::of_worker(256 << 20, 1);
        let ledger = Arc::new(Ledger::of(&budget));
        Site {
            partition: PARTITION,
            reporter: Reporter {
                sender: std::sync::mpsc::channel().0,
                partition: PARTITION,
                epoch: Epoch(1),
            },
            store_side: Arc::clone(&self.store_side),
            shown: Arc::new(Shown {
                asked: false.into(),
                leaving: Arc::default(),
                recalculated: true.into(),
                handed_over: ledger.entry(Part::HandedOver),
                accumulated: ledger.entry(Part::Accumulated),
                storing: ledger.entry(Part::Storing),
                background: ledger.entry(Part::Background),
            }),
            ledger,
            budget,
        }
    }

    /// What a keeper does that has nothing else to do, for so long.
    async fn work(&self, background: &mut Background, time: Duration) -> Vec<&'static str> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let newest = self.chain.newest().unwrap().sequence;
            if background.may_begin(newest, None) {
                background.begin(&self.chain, None);
                continue;
            }
            let wake = background.wakes_at().unwrap_or(end).min(end);
            tokio::select! {
                Some(()) = background.stepped() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        std::mem::take(&mut self.book.steps.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn kinds_take_turns_unless_one_is_urgent_and_rest_after_each_step() {
    let setting = Setting::new().await;
    let kinds = [
        ("one", Due::Now, 2),
        ("other", Due::Now, 9),
        ("urgent", Due::Urgent, 2),
    ];
    let mut background = setting.background(&kinds);
    let steps = setting.work(&mut background, 12 * STEP + STEP / 2).await;
    assert_eq!(steps, ["urgent", "urgent", "one", "other", "one", "other"]);
}

#[tokio::test(start_paused = true)]
async fn work_for_later_is_asked_for_then_and_not_before() {
    let setting = Setting::new().await;
    let (hour, began) = (Duration::from_hours(1), Instant::now());
    let mut background = setting.background(&[("later", Due::At(began + hour), 1)]);
    assert!(setting.work(&mut background, hour - STEP).await.is_empty());
    assert_eq!(background.wakes_at(), Some(began + hour));
    let newest = setting.chain.newest().unwrap().sequence;
    assert!(!background.may_begin(newest, None));
    assert!(
        background.may_begin(newest.next(), None),
        "another manifest is a reason to ask"
    );
    assert_eq!(setting.work(&mut background, 3 * STEP).await, ["later"]);
    setting.work(&mut background, hour).await;
    assert_eq!(background.wakes_at(), None);
    assert!(!background.may_begin(newest, None));
}

#[tokio::test(start_paused = true)]
async fn few_are_at_work_in_a_process_and_one_that_is_given_up_ends() {
    let setting = Setting::new().await;
    let (mut one, mut other) = (
        setting.background(&[("one", Due::Now, 100)]),
        setting.background(&[("other", Due::Now, 100)]),
    );
    let time = 20 * STEP;
    tokio::join!(setting.work(&mut one, time), setting.work(&mut other, time));
    assert_eq!(setting.book.most.load(Ordering::SeqCst), 1);
    one.abandon();
    other.abandon();
    let newest = setting.chain.newest().unwrap().sequence;
    assert!(!one.may_begin(newest, None));
    assert_eq!(one.stepped().await, None);
}

#[tokio::test(start_paused = true)]
async fn what_the_store_refuses_leaves_the_chain_to_others_until_it_is_tried_again() {
    let setting = Setting::new().await;
    let mut background = setting.refused(&[("refused", Due::Now, 1)], 3);
    let newest = setting.chain.newest().unwrap().sequence;
    background.begin(&setting.chain, None);
    background.stepped().await.unwrap();
    let mut chain = Box::new(setting.chain.clone());
    for attempt in 1..=3 {
        assert!(background.is_made(), "attempt {attempt}");
        let Ok(job) = background.write(chain) else {
            panic!("there is something to write")
        };
        let finished = job.await;
        chain = finished.chain;
        let Done::Worked(worked) = finished.done else {
            panic!("the work is given back")
        };
        assert!(background.finish(*worked).is_none());
        assert!(!background.is_made(), "a snapshot may go first");
        assert!(!background.may_begin(newest, None), "it is not forgotten");
        let again = background.wakes_at().expect("it is tried again");
        let pause = again - Instant::now();
        assert!(pause > Duration::from_millis(100) && pause <= Duration::from_secs(2));
        tokio::time::sleep_until(again).await;
    }
    let Ok(job) = background.write(chain) else {
        panic!("there is something to write")
    };
    let Done::Worked(worked) = job.await.done else {
        panic!("the work is given back")
    };
    assert!(background.finish(*worked).is_none());
    assert!(!background.is_made());
    let work = setting.work(&mut background, Duration::from_hours(1)).await;
    assert_eq!(work, ["refused"], "it was made once");
}

#[tokio::test(start_paused = true)]
async fn memory_for_background_work_is_not_taken_from_new_events_unless_it_fits_nowhere_else() {
    let site = Setting::new().await.site();
    let (budget, ledger) = (site.budget, Arc::clone(&site.ledger));
    let outcomes = ledger.entry(Part::Storing);
    let set = |bytes: u64| outcomes.set(usize::try_from(bytes).unwrap());
    set(budget.pause_above);
    assert!(site.reserve(budget.background).await);
    assert_eq!(ledger.held(), budget.pause_above, "consumption goes on");
    assert!(
        site.reserve(budget.background).await,
        "what it holds is its own"
    );
    site.shown.background.set(0);
    // More than its share waits for room.
    let more = budget.background + (1 << 20);
    let waits = tokio::time::timeout(Duration::from_mins(1), site.reserve(more));
    assert!(waits.await.is_err());
    set(budget.pause_above - (1 << 20));
    assert!(site.reserve(more).await);
    assert_eq!(ledger.held(), budget.pause_above, "consumption goes on");
    site.shown.background.set(0);
    // What fits nowhere is alone once few outcomes are held.
    let huge = budget.background + 2 * budget.pause_above;
    let waits = tokio::time::timeout(Duration::from_mins(1), site.reserve(huge));
    assert!(waits.await.is_err());
    set(budget.store_above);
    assert!(site.reserve(huge).await);
}

#[test]
fn a_merge_fits_into_the_share_of_background_work() {
    for memory in [128 << 20, 256 << 20, 1 << 30, 8 << 30] {
        let share = Budget::of_worker(memory, 1).background;
        let largest = MergeLimits::within(share).bytes;
        assert!(
            largest + largest * 2 / 3 + (8 << 20) <= share,
            "{memory}: {largest}"
        );
    }
}
