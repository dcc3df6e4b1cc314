//! A store written through the snapshot module.

use std::{num::NonZeroUsize, sync::Arc};

use bytes::Bytes;

use crate::{
    audit::{Finding, FindingKind, Level, Options, Report, verify},
    calculation::{Calculation, Calculations, Declaration, Evaluated, Evaluator, builtin},
    events::Fields,
    format::{
        Accumulation, Edit, GapReason, Identity, Layout, Manifest, Pipeline, RangeOutcomes,
        Segment, SegmentKind,
    },
    history::{Appended, Chain, Clock, Pending, load_tail, write_snapshot},
    model::{Event, Offset, OffsetRange, Partition},
    store::{Path, Store},
};

pub(super) const FIELDS: &str = "number BIGINT NOT NULL";

pub(in crate::audit) fn at(offset: i64) -> Offset {
    Offset::new(offset).unwrap()
}

pub(in crate::audit) fn range(start: i64, end: i64) -> OffsetRange {
    OffsetRange::new(at(start), at(end)).unwrap()
}

pub(in crate::audit) fn layout() -> Layout {
    Layout::new("events").unwrap()
}

pub(super) fn square() -> Arc<dyn Calculation> {
    builtin("square").unwrap()
}

pub(in crate::audit) fn evaluator() -> Evaluator {
    evaluator_of(FIELDS)
}

pub(super) fn evaluator_of(fields: &str) -> Evaluator {
    Evaluator::new(Fields::parse(fields).unwrap(), square()).unwrap()
}

/// The square of these fields, as a store declares it.
pub(super) fn declaration(fields: &str) -> Declaration {
    evaluator_of(fields).declaration()
}

fn pipeline() -> Pipeline {
    Pipeline {
        cluster_id: None,
        group: "recalc_group".into(),
        events_topic: "events".into(),
        events_topic_id: None,
        events_partitions: Some(8),
        results_topic: "results".into(),
        results_partitions: 2,
    }
}

pub(in crate::audit) async fn chain(store: &Store, partition: i32) -> Chain {
    chain_of(store, partition, &evaluator()).await
}

/// The chain of a partition, for this calculation to go on with.
pub(in crate::audit) async fn chain_of(
    store: &Store,
    partition: i32,
    evaluator: &Evaluator,
) -> Chain {
    let identity = Identity {
        topic: "events".into(),
        partition: Partition(partition),
        declaration: evaluator.declaration(),
        writer: "tests".into(),
    };
    Chain::load(store.clone(), identity, Clock::system())
        .await
        .unwrap()
}

pub(super) async fn edit(chain: &mut Chain, edit: Edit) {
    assert!(matches!(
        chain.append(edit, None).await.unwrap(),
        Appended::Won { .. }
    ));
}

/// Offsets whose event is malformed.
pub(in crate::audit) fn is_bad(offset: i64) -> bool {
    offset % 17 == 3
}

/// A snapshot of these offsets; those that `absent` names, the log does not deliver.
pub(in crate::audit) async fn snapshot(
    chain: &mut Chain,
    start: i64,
    end: i64,
    absent: impl Fn(i64) -> bool,
) {
    snapshot_of(chain, &evaluator(), start, end, absent).await;
}

/// A snapshot of the outcomes that this calculation gives.
pub(in crate::audit) async fn snapshot_of(
    chain: &mut Chain,
    evaluator: &Evaluator,
    start: i64,
    end: i64,
    absent: impl Fn(i64) -> bool,
) {
    let mut accumulation = Accumulation::new(at(start));
    accumulation
        .append(&outcomes(evaluator, start, end, absent))
        .unwrap();
    let mut pending = Pending::from(accumulation.close(chain.identity()).unwrap());
    write_snapshot(chain, &mut pending).await.unwrap();
}

/// The outcomes of these offsets.
pub(in crate::audit) fn outcomes(
    evaluator: &Evaluator,
    start: i64,
    end: i64,
    absent: impl Fn(i64) -> bool,
) -> RangeOutcomes {
    let evaluated = evaluated(evaluator, start, end, absent);
    RangeOutcomes::new(range(start, end), evaluated).unwrap()
}

/// What this calculation makes of these events.
pub(super) fn evaluated(
    evaluator: &Evaluator,
    start: i64,
    end: i64,
    absent: impl Fn(i64) -> bool,
) -> Evaluated {
    let payload = |offset: i64| match is_bad(offset) {
        true => format!("{{\"number\": \"{offset}\"}}"),
        false => format!("{{\"number\": {offset}}}"),
    };
    let payloads: Vec<(i64, String)> = (start..end)
        .filter(|offset| !absent(*offset))
        .map(|offset| (offset, payload(offset)))
        .collect();
    let events: Vec<Event<'_>> = payloads
        .iter()
        .map(|(offset, payload)| Event {
            offset: at(*offset),
            timestamp: Some(1_763_800_000_000 + offset),
            key: (offset % 3 == 0).then_some(b"key"),
            payload: Some(payload.as_bytes()),
        })
        .collect();
    evaluator.evaluate(events.into_iter()).unwrap()
}

/// Partition 0: `[100, 400)` in three snapshots, nothing absent. Partition 1: `[0, 300)` with markers at
/// every tenth offset, an append of nothing but one marker, and a gap.
pub(in crate::audit) async fn sample() -> Store {
    let store = Store::memory();
    let mut first = chain(&store, 0).await;
    bind(&mut first, 100).await;
    for start in [100, 200, 300] {
        snapshot(&mut first, start, start + 100, |_| false).await;
    }
    let mut second = chain(&store, 1).await;
    bind(&mut second, 0).await;
    snapshot(&mut second, 0, 100, |offset| offset % 10 == 9).await;
    snapshot(&mut second, 100, 101, |_| true).await;
    edit(
        &mut second,
        Edit::AcceptLoss {
            range: range(101, 200),
            reason: GapReason::Expired,
        },
    )
    .await;
    snapshot(&mut second, 200, 300, |offset| offset % 10 == 9).await;
    store
}

pub(in crate::audit) async fn bind(chain: &mut Chain, origin: i64) {
    let partition = chain.partition();
    edit(
        chain,
        Edit::Bind {
            pipeline: pipeline(),
            partition,
            origin: at(origin),
        },
    )
    .await;
}

pub(in crate::audit) async fn audit(store: &Store, level: Level) -> Report {
    audit_with(store, level, 2, None).await
}

pub(super) async fn audit_with(
    store: &Store,
    level: Level,
    parallelism: usize,
    fields: Option<&str>,
) -> Report {
    let parallelism = NonZeroUsize::new(parallelism).unwrap();
    let options = Options {
        parallelism,
        given: fields.map(declaration),
        ..Options::default()
    };
    let calculations = Calculations::new(builtin);
    let layout = layout();
    let audit = async |options: &Options| {
        let report = verify(store, &layout, level, &calculations, options, &|_| {});
        report.await.unwrap()
    };
    let report = audit(&options).await;
    // However files are read, they are found to be the same.
    let in_parts = Options {
        large: 0,
        ..options
    };
    assert_eq!(audit(&in_parts).await, report);
    report
}

/// Kind, partition and range of each finding.
pub(in crate::audit) fn brief(findings: &[Finding]) -> Vec<(FindingKind, i32, i64, i64)> {
    let brief = |f: &Finding| (f.kind, f.partition.0, f.start.get(), f.end.get());
    findings.iter().map(brief).collect()
}

pub(in crate::audit) async fn newest(store: &Store, partition: i32) -> Manifest {
    load_tail(store, &layout(), Partition(partition))
        .await
        .unwrap()
        .newest
        .unwrap()
}

/// The live segment of one kind that starts at `start`.
pub(in crate::audit) async fn segment(
    store: &Store,
    partition: i32,
    kind: SegmentKind,
    start: i64,
) -> Segment {
    let newest = newest(store, partition).await;
    let is = |segment: &&Segment| segment.kind == kind && segment.range.start() == at(start);
    newest.open.segments.iter().find(is).unwrap().clone()
}

pub(super) async fn get(store: &Store, path: &Path) -> Bytes {
    store.get(path, u64::MAX).await.unwrap()
}
