//! Named places at which a test lets the process die, to prove that what it leaves behind is continued exactly; and a
//! call that a test lets fail.
//!
//! They exist in builds for tests only: there the crate `fail` has its feature `failpoints`, and the variable `FAILPOINTS`
//! says at which place, and the how manieth time, a process dies: `FAILPOINTS=flushed=2*off->return` lets it pass twice.
//! In every other build `at` is empty and the variable is not read. The crash tests walk through [`Point::ALL`].

use std::io::Write as _;

macro_rules! points {
    ($($(#[$doc:meta])* $point:ident = $name:literal,)*) => {
        /// A place at which a test can let the process die.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Point {
            $($(#[$doc])* $point,)*
        }

        impl Point {
            /// All of them, in the order in which a process passes them.
            pub const ALL: &[Point] = &[$(Point::$point,)*];

            /// Its name in `FAILPOINTS`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Point::$point => $name,)* }
            }
        }
    };
}

points! {
    // Recovery.
    /// The program has started; nothing is looked at.
    Started = "started",
    /// The consumer is made; the transactional id is not registered.
    Joined = "joined",
    /// The transactional id is registered: what a predecessor left open is aborted.
    ProducerReady = "producer-ready",
    /// The newest manifest is read; the group's offsets are not.
    ManifestsRead = "manifests-read",
    /// The group's offsets are read.
    CommittedRead = "committed-read",
    /// Tidying has put a live segment back from the attic.
    SegmentPutBack = "segment-put-back",
    /// Tidying has found segments whose manifest is damaged, and is about to append them.
    AdoptionFound = "adoption-found",
    /// They are in the chain again.
    Adopted = "adopted",
    /// Tidying has moved one unlisted segment to the attic; there may be others.
    TidyMoved = "tidy-moved",
    /// All facts are there, and the folders are in order.
    FactsGathered = "facts-gathered",
    /// There is a plan; nothing of it is done.
    Planned = "planned",
    /// A new partition is about to be bound to the store by manifest 1.
    BindBegun = "bind-begun",
    /// Manifest 1 is there; nothing is committed.
    Bound = "bound",
    /// What an operator decided is committed; the store knows nothing of it.
    DecisionCommitted = "decision-committed",
    /// The group's offset lies after an accepted gap; the gap is about to be recorded.
    LossBegun = "loss-begun",
    /// The gap is in the chain; the worker does not know.
    LossRecorded = "loss-recorded",
    /// A batch of a replay is in memory again, the replay goes on.
    ReplayKept = "replay-kept",
    /// A replay is complete; nothing of it is stored.
    Replayed = "replayed",
    /// A replay under another calculation is complete: what it replaces is published, nothing of it is stored.
    Recalculated = "recalculated",
    /// It is stored, with corrections; nothing is committed under the new calculation.
    CorrectionsStored = "corrections-stored",
    /// What one former worker slot may have left open is ended; the other slots are not looked at.
    FormerSlotEnded = "former-slot-ended",

    // The forward path.
    /// A batch is fetched.
    Fetched = "fetched",
    /// It is decoded and calculated.
    Calculated = "calculated",
    /// A transaction is open and empty.
    TransactionBegun = "transaction-begun",
    /// The batch's results are handed to the producer.
    ResultsProduced = "results-produced",
    /// Its rejects are handed to the producer too.
    RejectsProduced = "rejects-produced",
    /// Its outcomes wait for the commit.
    Kept = "kept",
    /// Corrections are in memory; the transaction does not have them.
    CorrectionsLoaded = "corrections-loaded",
    /// Corrections are handed to the producer, results and dead letters.
    CorrectionsSent = "corrections-sent",
    /// A commit begins: nothing is flushed.
    CommitBegun = "commit-begun",
    /// All messages of the transaction are acknowledged.
    Flushed = "flushed",
    /// At-least-once: everything is acknowledged, the offsets are not committed.
    Acknowledged = "acknowledged",
    /// The offsets are part of the transaction.
    OffsetsSent = "offsets-sent",
    /// The broker is about to be asked to commit.
    CommitRequested = "commit-requested",
    /// The transaction is committed; the books of the partitions do not know.
    Committed = "committed",
    /// Corrections are committed; the outbox does not know.
    CorrectionsCommitted = "corrections-committed",
    /// What is committed is handed over to the keepers.
    CommitMarked = "commit-marked",
    /// A transaction that failed is aborted; the books still hold what was in it.
    Aborted = "aborted",
    /// A new producer has settled what became of the transaction; the books do not know.
    Rebuilt = "rebuilt",
    /// The books know what the broker said about it; what it did not commit is still in them.
    Settled = "settled",
    /// What was not committed is dropped; nothing of it is read again.
    Rewound = "rewound",
    /// Partitions are to be given back: what they have is committed, not stored.
    RevocationCommitted = "revocation-committed",
    /// They are given back; what their keepers could not store in time is replayed by the next owner.
    Revoked = "revoked",

    // The snapshot path.
    /// What was accumulated is on its way into a snapshot; its files are still open.
    SnapshotTaken = "snapshot-taken",
    /// Its files are closed, in memory.
    SnapshotEncoded = "snapshot-encoded",
    /// One of several segments of a snapshot is put.
    SegmentsHalfPut = "segments-half-put",
    /// All segments are put; no manifest lists them.
    SegmentsPut = "segments-put",
    /// A manifest is about to be created.
    AppendBegun = "append-begun",
    /// It is created; its writer has not looked at the answer.
    AppendCreated = "append-created",
    /// It is known to be the newest; nothing is tidied.
    Appended = "appended",
    /// Another's manifest came first; ours is to be made anew.
    AppendLost = "append-lost",
    /// The loser of a race has moved one of its segments to the attic.
    LoserMoved = "loser-moved",
    /// A snapshot is complete; the worker does not know.
    SnapshotStored = "snapshot-stored",

    // Recalculation.
    /// A range is chosen to be brought under the running calculation; nothing is read.
    RepairChosen = "repair-chosen",
    /// It is calculated anew; nothing of it is stored.
    RepairCalculated = "repair-calculated",
    /// One of several new segments is put.
    RepairHalfPut = "repair-half-put",
    /// All are put; no manifest lists them.
    RepairPut = "repair-put",
    /// Another's manifest came first; whether the range is still what it was is not looked at.
    RepairLost = "repair-lost",
    /// The range has changed meanwhile: the repair is given up, its segments are in the attic.
    RepairAbandoned = "repair-abandoned",
    /// The new segments are live; the old ones are still in their place.
    RepairAppended = "repair-appended",
    /// One of the old segments is in the attic; there may be another.
    SupersededMoved = "superseded-moved",
    /// The repair is complete; the worker does not know.
    RepairStored = "repair-stored",

    // A loss inside of the history.
    /// The gap is in the chain; the files of what was given up are still in their place.
    LossAccepted = "loss-accepted",

    // Sealing.
    /// A range is chosen to become a page; nothing is put.
    SealBegun = "seal-begun",
    /// The page is put and read back; no manifest lists it.
    PagePut = "page-put",
    /// A manifest lists the page instead of its segments.
    PageSealed = "page-sealed",
    /// A range of a page is to be changed: the page is in the open list again, and nothing of the change is stored.
    PageReopened = "page-reopened",

    // Garbage collection.
    /// A manifest says that the history begins later; there may be more of them, and nothing is deleted.
    OldestRaised = "oldest-raised",
    /// What no manifest lists is noted.
    OrphansNoted = "orphans-noted",
    /// One file is deleted; there may be others.
    FileCollected = "file-collected",
    /// One manifest is deleted; there may be others.
    ManifestCollected = "manifest-collected",

    // The store.
    /// Local folder: a file's content is written under `.staging/`, not synced.
    FileStaged = "file-staged",
    /// Local folder: it is synced, and has no name.
    FileSynced = "file-synced",
    /// Local folder: it has its name, its folder is not synced.
    FileNamed = "file-named",
    /// Local folder: its folder is synced, its staged name is still there.
    FolderSynced = "folder-synced",
    /// Local folder: a file is moved, the folders are not synced.
    FileMoved = "file-moved",
    /// Bucket: an object that is being moved is at both paths.
    ObjectCopied = "object-copied",

    // Shutdown.
    /// The work is done, the last commit is not.
    ShutdownBegun = "shutdown-begun",
    /// The last commit is done, the last snapshot is not taken.
    ShutdownCommitted = "shutdown-committed",
    /// Everything is stored; the group does not know that the member leaves.
    ShutdownStored = "shutdown-stored",
    /// The workers have left the group, nothing is verified.
    WorkersEnded = "workers-ended",
    /// Everything is verified; the process is about to end.
    ShutdownVerified = "shutdown-verified",
}

/// Reads `FAILPOINTS`, once, when the program starts; in a build without fail points it does nothing.
///
/// # Panics
/// When the variable has no meaning.
pub fn arm() {
    if fail::has_failpoints() {
        // For as long as the process lives: dropping it would disarm all points.
        std::mem::forget(fail::FailScenario::setup());
    }
}

/// The process dies here, as by a crash, when `FAILPOINTS` says so: no destructor runs, nothing is flushed.
#[inline]
pub(crate) fn at(point: Point) {
    let dies = || {
        fail::fail_point!(point.name(), |_| true);
        false
    };
    if fail::has_failpoints() && dies() {
        // Whoever reads it may be gone.
        let _ = writeln!(std::io::stderr(), "dies at the fail point {}", point.name());
        std::process::abort();
    }
}

/// A call that a test lets fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Asking whether the group has a member of ours: it has none at the moment, as within a rebalance.
    Membership,
    /// Adding offsets to a transaction: the group's coordinator refuses them.
    Offsets,
}

/// Whether `FAILPOINTS=not-a-member=...` or `FAILPOINTS=offsets-refused=...` says that the call fails.
#[inline]
pub(crate) fn fails(call: Call) -> bool {
    let says_so = || {
        match call {
            Call::Membership => fail::fail_point!("not-a-member", |_| true),
            Call::Offsets => fail::fail_point!("offsets-refused", |_| true),
        }
        false
    };
    fail::has_failpoints() && says_so()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_points_share_a_name() {
        let names: BTreeSet<&str> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
    }
}
