//! The real keeper on a store in memory and a clock that the test moves.

mod merging;

use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::{
    audit::Compactor,
    calculation::Calculations,
    format::testing::{PARTITION, at, evaluated, range},
    history::testing::{Faulty, assert_glob, bound, chain, clock, paths},
    processor::{
        Budget, Stop,
        memory::Ledger,
        partition::Epoch,
        report::{Report, Station},
        seats::Seats,
        store_side::{BackgroundSettings, StoreSide},
        watch::{Board, board::tests::about},
    },
    recovery::Invocation,
    recovery::{Limits, LossReason},
    store::Throttle,
};

const INTERVAL: Duration = Duration::from_secs(30);

/// What merges in tests.
pub(super) fn compactor() -> Compactor {
    Compactor {
        calculations: Calculations::new(crate::calculation::builtin),
        invocation: Invocation::new("run"),
        throttle: Throttle::unlimited(),
    }
}

struct Setting {
    store: Faulty,
    stop: Stop,
    seats: Seats,
    ledger: Arc<Ledger>,
    keeper: KeeperHandle,
    reports: Receiver<Report>,
}

impl Setting {
    /// A keeper of a partition that was bound at offset 0.
    async fn new(stage: Stage) -> Setting {
        let store = Faulty::default();
        let chain = bound(&store.store(), "ours", &clock(), 0).await;
        let (stop, seats) = (Stop::default(), Seats::default());
        let budget = Budget::of_worker(256 << 20, 1);
        let ledger = Arc::new(Ledger::of(&budget));
        let (sender, reports) = channel();
        let store_side = StoreSide::new(
            INTERVAL,
            tokio::runtime::Handle::current(),
            stop.clone(),
            Board::of(about(), 1, stop.clone()),
            BackgroundSettings {
                recalculator: None,
                scrub: None,
                compactor: compactor(),
                keep: Duration::from_secs(24 * 60 * 60),
            },
            Limits {
                results: 1_000_000,
                rejects: 1_000_000,
            },
        );
        let start = KeeperStart {
            store_side: Arc::new(store_side),
            reporter: Reporter {
                sender,
                partition: PARTITION,
                epoch: Epoch(1),
            },
            newest: Newest::from(chain.newest().unwrap()),
            station: Station {
                chain: Box::new(chain),
                seat: seats.take(PARTITION).await,
            },
            accumulation: Accumulation::new(at(0)),
            stage,
            published: None,
            ledger: Arc::clone(&ledger),
            budget,
        };
        Setting {
            store,
            stop,
            seats,
            ledger,
            keeper: start.start(),
            reports,
        }
    }

    fn keep(&self, start: i64, end: i64) {
        let over = range(start, end);
        let outcomes = RangeOutcomes::new(over, evaluated(over)).unwrap();
        self.keeper.keep(vec![outcomes]);
    }

    /// Everything that is reported within so long.
    async fn within(&self, time: Duration) -> Vec<News> {
        tokio::time::sleep(time).await;
        self.reports.try_iter().map(|report| report.news).collect()
    }

    /// Where the snapshots end that are reported within so long.
    async fn stored_within(&self, time: Duration) -> Vec<i64> {
        let news = self.within(time).await.into_iter();
        let stored = news.filter_map(|news| match news {
            News::Stored { newest, .. } => Some(newest.stored.frontier.get()),
            _ => None,
        });
        stored.collect()
    }

    async fn end(&self) -> i64 {
        let chain = chain(&self.store.store(), "reader", &clock()).await;
        chain.end().unwrap().get()
    }
}

const MOMENT: Duration = Duration::from_secs(1);
const NOTHING: [i64; 0] = [];

#[tokio::test(start_paused = true)]
async fn what_is_handed_over_is_stored_when_the_interval_is_over() {
    let setting = Setting::new(Stage::Running).await;
    setting.keep(0, 60);
    setting.keep(60, 100);
    assert_eq!(setting.stored_within(INTERVAL - MOMENT).await, NOTHING);
    assert!(setting.ledger.held() > 0);
    assert_eq!(setting.stored_within(2 * MOMENT).await, [100]);
    assert_eq!(setting.ledger.held(), 0);
    setting.keep(100, 101);
    setting.keep(101, 200);
    assert_eq!(setting.stored_within(2 * INTERVAL).await, [200]);
    assert_glob(&setting.store.store(), 0, 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_stores_what_is_there_and_makes_no_file_of_the_next_outcome() {
    let setting = Setting::new(Stage::Running).await;
    setting.keep(0, 50);
    setting.keeper.store();
    assert!(setting.keeper.is_asked());
    assert_eq!(setting.stored_within(MOMENT).await, [50]);
    assert!(!setting.keeper.is_asked());
    // Nothing is there now.
    setting.keeper.store();
    assert_eq!(setting.stored_within(MOMENT).await, NOTHING);
    assert!(!setting.keeper.is_asked());
    setting.keep(50, 60);
    assert_eq!(setting.stored_within(MOMENT).await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_replay_is_stored_before_its_number_is_known_to_be_right() {
    let setting = Setting::new(Stage::Replay).await;
    setting.keep(0, 40);
    setting.keeper.store();
    assert_eq!(setting.stored_within(3 * INTERVAL).await, NOTHING);
    setting.keeper.forget();
    setting.keep(0, 70);
    setting.keeper.enter(Stage::Running);
    setting.keep(70, 90);
    assert_eq!(setting.stored_within(2 * INTERVAL).await, [90]);
    assert_glob(&setting.store.store(), 0, 90).await;
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_is_given_up_leaves_nothing_behind() {
    let setting = Setting::new(Stage::Replay).await;
    setting.keep(0, 40);
    setting.keeper.leave(MOMENT);
    let news = setting.within(MOMENT / 2).await;
    assert!(
        matches!(news[..], [News::Ended(Ending::Left { unsaved: false })]),
        "{news:?}"
    );
    assert_eq!(setting.end().await, 0);
    assert_eq!(paths(&setting.store.store(), "events/results").await, []);
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_leaves_stores_what_is_left_and_frees_its_seat() {
    let setting = Setting::new(Stage::Running).await;
    setting.keep(0, 60);
    setting.keeper.leave(5 * MOMENT);
    let news = setting.within(MOMENT).await;
    assert!(
        matches!(
            news[..],
            [
                News::Stored { .. },
                News::Ended(Ending::Left { unsaved: false })
            ]
        ),
        "{news:?}"
    );
    assert_eq!(setting.end().await, 60);
    assert!(setting.keeper.has_ended());
    let next = setting.seats.take(PARTITION);
    assert!(tokio::time::timeout(MOMENT, next).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn no_successor_waits_for_a_store_that_is_away() {
    let setting = Setting::new(Stage::Running).await;
    setting.store.puts_fail(true);
    setting.keep(0, 60);
    setting.keeper.leave(5 * MOMENT);
    assert!(setting.within(4 * MOMENT).await.is_empty());
    let news = setting.within(2 * MOMENT).await;
    assert!(
        matches!(news[..], [News::Ended(Ending::Left { unsaved: true })]),
        "{news:?}"
    );
    setting.store.puts_fail(false);
    assert_eq!(setting.end().await, 0);
    drop(setting.keeper);
    assert_eq!(setting.ledger.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn outcomes_are_taken_in_while_a_snapshot_waits_for_the_store() {
    let setting = Setting::new(Stage::Running).await;
    setting.store.puts_fail(true);
    setting.keep(0, 50);
    setting.keeper.store();
    for start in (50..250).step_by(50) {
        setting.keep(start, start + 50);
    }
    assert_eq!(setting.stored_within(10 * INTERVAL).await, NOTHING);
    assert_eq!(setting.keeper.shown.handed_over.bytes(), 0);
    assert!(setting.keeper.shown.accumulated.bytes() > 0);
    assert!(setting.keeper.shown.storing.bytes() > 0);
    setting.store.puts_fail(false);
    assert_eq!(setting.stored_within(2 * INTERVAL).await, [50, 250]);
    assert_glob(&setting.store.store(), 0, 250).await;
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_recorded_before_anything_else() {
    let setting = Setting::new(Stage::Recovery).await;
    setting.keeper.record_loss(AcceptLoss {
        range: range(0, 30),
        reason: LossReason::Expired,
        bind: false,
    });
    let news = setting.within(MOMENT).await;
    assert!(matches!(news[..], [News::LossRecorded]), "{news:?}");
    assert_eq!(setting.end().await, 30);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_ever_ends_the_keeper_with_its_reason() {
    let setting = Setting::new(Stage::Running).await;
    setting.keep(10, 20);
    let news = setting.within(MOMENT).await;
    match &news[..] {
        [News::Ended(Ending::Failed { reason })] => {
            assert!(reason.contains("10-20"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn others_manifests_are_found_by_an_idle_keeper() {
    let setting = Setting::new(Stage::Running).await;
    let mut other = chain(&setting.store.store(), "other", &clock()).await;
    let mut theirs = crate::history::testing::pending(0, 30);
    crate::history::write_snapshot(&mut other, &mut theirs)
        .await
        .unwrap();
    let news = setting.within(INTERVAL + MOMENT).await;
    match &news[..] {
        [News::Looked { newest }] => assert_eq!(newest.stored.frontier, at(30)),
        other => panic!("{other:?}"),
    }
    // A zombie's snapshot covers what is handed over later: nothing is stored twice.
    setting.keep(0, 50);
    assert_eq!(setting.stored_within(2 * INTERVAL).await, [50]);
    assert_glob(&setting.store.store(), 0, 50).await;
}

#[tokio::test(start_paused = true)]
async fn a_keeper_whose_worker_is_gone_stores_what_it_has() {
    let Setting {
        store,
        keeper,
        reports,
        stop,
        ..
    } = {
        let setting = Setting::new(Stage::Running).await;
        setting.keep(0, 60);
        setting
    };
    stop.finish();
    drop(keeper);
    tokio::time::sleep(MOMENT).await;
    assert!(reports.try_iter().count() > 0);
    assert_glob(&store.store(), 0, 60).await;
}
