//! What the tests of this module share: pending outcomes, chains, and stores that misbehave on demand.

mod faults;

pub(super) use self::faults::{Fault, Faulty};
use super::{Chain, Clock, Pending};
use crate::{
    format::{
        Segment, read_segment,
        testing::{batch_offsets, bind, encoded, identity, time},
    },
    store::{Path, Store},
};

/// What a keeper would store of `[start, end)`.
pub(super) fn pending(start: i64, end: i64) -> Pending {
    Pending::from(encoded(start, end, &identity("writer")))
}

pub(super) fn clock() -> Clock {
    Clock::manual(time(), 0xa000_0000)
}

/// A writer's view of the chain of [`PARTITION`].
pub(super) async fn chain(store: &Store, writer: &str, clock: &Clock) -> Chain {
    Chain::load(store.clone(), identity(writer), clock.clone())
        .await
        .unwrap()
}

/// A chain that is bound at its origin.
pub(super) async fn bound(store: &Store, writer: &str, clock: &Clock, origin: i64) -> Chain {
    let mut chain = chain(store, writer, clock).await;
    let won = chain.append(bind(origin), None).await.unwrap();
    assert!(matches!(won, super::Appended::Won { .. }));
    chain
}

/// The offsets of all rows below a folder: what the plain glob sees.
pub(super) async fn glob(store: &Store, folder: &str) -> Vec<i64> {
    let mut offsets = Vec::new();
    for entry in store.list(&Path::parse(folder).unwrap()).await.unwrap() {
        let bytes = store.get(&entry.path, entry.size).await.unwrap();
        for batch in read_segment(bytes).unwrap() {
            offsets.extend(batch_offsets(&batch.unwrap()));
        }
    }
    offsets.sort_unstable();
    offsets
}

/// Checks that the plain glob holds exactly the outcomes of `[start, end)`, once.
pub(super) async fn assert_glob(store: &Store, start: i64, end: i64) {
    let expected: Vec<i64> = (start..end).filter(|o| o % 5 != 0).collect();
    assert_eq!(glob(store, "events/results").await, expected);
    let expected: Vec<i64> = (start..end).filter(|o| o % 5 == 0 && o % 10 != 0).collect();
    assert_eq!(glob(store, "events/rejects").await, expected);
}

pub(super) async fn paths(store: &Store, folder: &str) -> Vec<Path> {
    let entries = store.list(&Path::parse(folder).unwrap()).await.unwrap();
    entries.into_iter().map(|entry| entry.path).collect()
}

pub(super) fn names(segments: &[Segment]) -> Vec<Path> {
    segments
        .iter()
        .map(|segment| segment.path.clone())
        .collect()
}
