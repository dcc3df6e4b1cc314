//! What follows from the views: the state, readiness, health.

use super::*;

#[test]
fn the_state_follows_from_the_view() {
    let not_joined = WorkerView {
        joined: false,
        ..worker(Vec::new())
    };
    let recovering = worker(vec![running(0), in_phase(1, PhaseView::Recovering)]);
    let waiting = ProcessView {
        troubles: vec![trouble(Reason::OpenTransaction, 1, &[1], "open")],
        ..process(vec![Some(recovering.clone())])
    };
    let table = [
        (process(vec![None]), State::Starting),
        (
            process(vec![Some(worker(vec![running(0)])), None]),
            State::Starting,
        ),
        (process(vec![Some(not_joined)]), State::Starting),
        (process(vec![Some(recovering)]), State::Recovering),
        (waiting, State::Degraded),
        (well(), State::Running),
        (process(vec![Some(worker(Vec::new()))]), State::Running),
        (process(vec![Some(worker(vec![held(2)]))]), State::Degraded),
        (in_trouble(), State::Degraded),
        (
            ProcessView {
                stopping: true,
                ..in_trouble()
            },
            State::Stopping,
        ),
    ];
    for (n, (view, expected)) in table.iter().enumerate() {
        assert_eq!(assess::state(view), *expected, "row {n}");
    }
}

#[test]
fn it_is_ready_when_nothing_is_gathered_or_replayed_any_more() {
    let ready = |view: &ProcessView| assess::ready(view).err();
    let with = |partition| process(vec![Some(worker(vec![running(0), partition]))]);
    let says = |view: &ProcessView| ready(view).unwrap_or_default();
    assert_eq!(ready(&well()), None);
    assert_eq!(ready(&process(vec![Some(worker(Vec::new()))])), None);
    // What is held or waits for a store that is away is degraded, and as ready as it will be.
    assert_eq!(ready(&with(held(2))), None);
    assert_eq!(
        says(&process(vec![None, None])),
        "0 of 2 workers have started"
    );
    let not_joined = WorkerView {
        joined: false,
        ..worker(Vec::new())
    };
    assert_eq!(
        says(&process(vec![Some(not_joined)])),
        "worker 0 waits for the group"
    );
    let arriving = WorkerView {
        arriving: true,
        ..worker(vec![running(0)])
    };
    assert_eq!(
        says(&process(vec![Some(arriving)])),
        "worker 0 is being given partitions"
    );
    for (phase, expected) in [
        (PhaseView::Recovering, "partitions being recovered: 4"),
        (
            PhaseView::AcceptingLoss(range(0, 9)),
            "partitions being recovered: 4",
        ),
        (
            PhaseView::Replaying(range(0, 9)),
            "partitions being replayed: 4",
        ),
        (
            PhaseView::Storing,
            "partitions being stored before they go on: 4",
        ),
    ] {
        assert_eq!(says(&with(in_phase(4, phase))), expected);
    }
    let stopping = ProcessView {
        stopping: true,
        ..well()
    };
    assert_eq!(says(&stopping), "it was asked to stop");
}

#[test]
fn only_a_worker_without_a_sign_of_life_for_a_minute_is_unhealthy() {
    let silent_for = |seconds| ProcessView {
        ticks: vec![Some(moment(NOW - seconds))],
        ..well()
    };
    assert!(assess::alive(&silent_for(59)).is_ok());
    let dead = assess::alive(&silent_for(61)).unwrap_err();
    assert_eq!(dead, "worker 0 has shown no sign of life for 61 s");
    assert!(assess::alive(&process(vec![None])).is_ok());
    assert!(assess::alive(&in_trouble()).is_ok());
    let stopping = ProcessView {
        stopping: true,
        ..silent_for(61)
    };
    assert!(assess::alive(&stopping).is_ok());
}

#[test]
fn troubles_of_one_reason_are_one_with_the_earliest_beginning() {
    let found = assess::degraded(&in_trouble());
    let found: Vec<_> = found
        .iter()
        .map(|one| {
            let partitions: Vec<i32> = one.partitions.iter().map(|p| p.0).collect();
            (one.reason, one.since.0.as_secs(), partitions)
        })
        .collect();
    assert_eq!(
        found,
        [
            (Reason::Held, 600, vec![2]),
            (Reason::Corrections, 30, vec![1]),
            (Reason::Memory, 1_000, vec![]),
            (Reason::Store, 800, vec![0, 1]),
            (Reason::Broker, 1_190, vec![]),
        ]
    );
    assert!(assess::degraded(&well()).is_empty());
}

#[test]
fn the_lag_is_never_negative() {
    assert_eq!(assess::lag(&running(0)), Some(1_000));
    let ahead = PartitionView {
        log_end: offset(9),
        ..running(0)
    };
    assert_eq!(assess::lag(&ahead), Some(0));
    assert_eq!(assess::lag(&held(0)), None);
}
