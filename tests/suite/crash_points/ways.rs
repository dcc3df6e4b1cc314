//! How a process is brought to each of the points.

mod history;

use std::time::{Duration, Instant};

use rand::RngExt;
use rand::seq::IndexedRandom;
use snapback::failpoint::Point;

use super::scene::Scene;
use crate::outside::{LIMIT, Offsets, committed_events, wait_until_committed, writers};
use crate::support::process::Running;
use crate::support::{
    commit_as_stranger, delete_records, eventually, has_open_transaction, set_topic_config,
};

/// How many partitions a crash at `point` needs.
pub fn partitions(point: Point) -> i32 {
    match point {
        // What one process has under way is what the other takes over.
        Point::Aborted | Point::AppendLost | Point::LoserMoved => 1,
        Point::RepairChosen
        | Point::RepairCalculated
        | Point::RepairHalfPut
        | Point::RepairPut
        | Point::RepairLost
        | Point::RepairAbandoned
        | Point::RepairAppended
        | Point::SupersededMoved
        | Point::RepairStored
        | Point::LossAccepted
        | Point::SealBegun
        | Point::PagePut
        | Point::PageSealed
        | Point::PageReopened => 1,
        Point::Recalculated
        | Point::CorrectionsStored
        | Point::CorrectionsLoaded
        | Point::CorrectionsSent
        | Point::CorrectionsCommitted => 1,
        _ => 2,
    }
}

/// Leaves behind what a process leaves that dies at `point`.
pub fn die(scene: &mut Scene, point: Point) {
    match point {
        Point::Started
        | Point::Joined
        | Point::ProducerReady
        | Point::ManifestsRead
        | Point::CommittedRead
        | Point::FactsGathered
        | Point::Planned => restarting(scene, point),
        Point::BindBegun | Point::Bound => {
            scene.feed();
            let life = scene.life();
            scene.dies_at(point, 1, life, |_, _| {});
        }
        Point::SegmentPutBack => putting_back(scene, point),
        Point::AdoptionFound | Point::Adopted => adopting(scene, point),
        Point::TidyMoved | Point::FileMoved | Point::ObjectCopied => tidying(scene, point),
        Point::DecisionCommitted => deciding(scene, point),
        Point::LossBegun | Point::LossRecorded => accepting_a_loss(scene, point),
        Point::ReplayKept | Point::Replayed => replaying(scene, point),
        Point::Recalculated
        | Point::CorrectionsStored
        | Point::CorrectionsLoaded
        | Point::CorrectionsSent
        | Point::CorrectionsCommitted => history::correcting(scene, point),
        Point::FormerSlotEnded => with_fewer_workers(scene, point),
        Point::Fetched
        | Point::Calculated
        | Point::TransactionBegun
        | Point::ResultsProduced
        | Point::RejectsProduced
        | Point::Kept
        | Point::CommitBegun
        | Point::Flushed
        | Point::OffsetsSent
        | Point::CommitRequested
        | Point::Committed
        | Point::CommitMarked => scene.dies_under_load(point, 6),
        Point::Acknowledged => {
            let flags = ["--delivery", "at-least-once"].map(str::to_owned);
            scene.flags.extend(flags);
            scene.dies_under_load(point, 6);
        }
        Point::Aborted => aborting(scene, point),
        Point::Rebuilt | Point::Settled => rebuilding(scene, point),
        Point::Rewound => rewinding(scene, point),
        Point::RevocationCommitted | Point::Revoked => giving_back(scene, point),
        Point::SnapshotTaken
        | Point::SnapshotEncoded
        | Point::SegmentsHalfPut
        | Point::SegmentsPut
        | Point::AppendBegun
        | Point::AppendCreated
        | Point::Appended
        | Point::SnapshotStored => scene.dies_under_load(point, 4),
        Point::AppendLost | Point::LoserMoved => coming_too_late(scene, point),
        Point::RepairChosen
        | Point::RepairCalculated
        | Point::RepairHalfPut
        | Point::RepairPut
        | Point::RepairAppended
        | Point::SupersededMoved
        | Point::RepairStored => history::recalculating(scene, point),
        Point::RepairLost | Point::RepairAbandoned => history::recalculating_too_late(scene, point),
        Point::LossAccepted => history::giving_up(scene, point),
        Point::SealBegun | Point::PagePut | Point::PageSealed => history::sealing(scene, point),
        Point::PageReopened => history::reopening(scene, point),
        Point::OldestRaised
        | Point::OrphansNoted
        | Point::FileCollected
        | Point::ManifestCollected => history::collecting(scene, point),
        Point::FileStaged | Point::FileSynced | Point::FileNamed | Point::FolderSynced => {
            scene.dies_under_load(point, 12);
        }
        Point::ShutdownBegun
        | Point::ShutdownCommitted
        | Point::ShutdownStored
        | Point::WorkersEnded
        | Point::ShutdownVerified => stopping(scene, point),
    }
}

/// An earlier life has left something to be put in order.
fn restarting(scene: &mut Scene, point: Point) {
    let earlier = [
        Point::OffsetsSent,
        Point::Committed,
        Point::SnapshotTaken,
        Point::SegmentsPut,
        Point::AppendCreated,
    ];
    let earlier = *earlier.choose(&mut scene.random).expect("not empty");
    scene.dies_under_load(earlier, 3);
    scene.feed();
    let life = scene.life();
    scene.dies_at(point, 0, life, |_, _| {});
}

fn replaying(scene: &mut Scene, point: Point) {
    scene.dies_under_load(Point::SnapshotTaken, 3);
    let life = scene.life();
    scene.dies_at(point, 0, life, |scene, _| scene.feed_on());
}

/// The segments of a snapshot whose manifest was not made are moved away by the next life.
fn tidying(scene: &mut Scene, point: Point) {
    scene.dies_under_load(Point::SegmentsPut, 3);
    let life = scene.life();
    scene.dies_at(point, 1, life, |_, _| {});
}

fn putting_back(scene: &mut Scene, point: Point) {
    scene.feed();
    scene.life_to_end().run().expect_code(0);
    let segments = ["results", "rejects"].map(|kind| {
        let folder = format!("{kind}/partition=0");
        scene.objects(&folder).pop().expect("a segment")
    });
    for segment in &segments {
        scene.move_to_the_attic(segment);
    }
    let life = scene.life();
    scene.dies_at(point, 1, life, |_, _| {});
}

/// The newest manifests are damaged; what they listed is still there.
fn adopting(scene: &mut Scene, point: Point) {
    for _ in 0..2 {
        scene.feed();
        scene.life_to_end().run().expect_code(0);
    }
    for partition in 0..2 {
        let mut manifests = scene.objects(&format!("_manifests/partition={partition}"));
        scene.damage(&manifests.pop().expect("a manifest"));
    }
    let life = scene.life();
    scene.dies_at(point, 1, life, |_, _| {});
}

/// A stranger has moved the group, and the operator says that the store is right.
fn deciding(scene: &mut Scene, point: Point) {
    scene.feed();
    scene.life_to_end().run().expect_code(0);
    scene.feed();
    let pipeline = &scene.pipeline;
    let elsewhere = [0, 1].map(|partition| (partition, scene.sent() / 2 - 7));
    commit_as_stranger(
        &pipeline.brokers,
        &pipeline.group,
        &pipeline.events,
        &elsewhere,
    );
    let life = scene.life().args(["--resume-from", "frontier"]);
    scene.dies_at(point, 1, life, |_, _| {});
    // Both were committed together, or one was not before the process died.
    scene
        .flags
        .extend(["--resume-from", "frontier"].map(str::to_owned));
}

/// Events have expired unread, and the operator accepts it.
fn accepting_a_loss(scene: &mut Scene, point: Point) {
    scene.feed();
    scene.life_to_end().run().expect_code(0);
    let stored = scene.sent() / 2;
    scene.feed();
    let pipeline = &scene.pipeline;
    let (all, lost) = (pipeline.expected(), 11);
    let gone = stored..stored + lost;
    delete_records(&pipeline.brokers, &pipeline.events, 0, gone.end);
    scene.life_to_end().run().expect_code(4);
    let accepted = format!("0:{}-{}", gone.start, gone.end);
    scene.flags.extend(["--accept-loss".to_owned(), accepted]);
    let life = scene.life();
    scene.dies_at(point, 0, life, |_, _| {});
    let expected = all.only(|(partition, offset)| partition != 0 || !gone.contains(&offset));
    let lost = lost.cast_unsigned();
    scene.expected = Some((expected, Offsets { absent: 0, lost }));
}

/// A life with two workers is killed; the next one has one.
fn with_fewer_workers(scene: &mut Scene, point: Point) {
    scene.flags = ["--workers", "2"].map(str::to_owned).into();
    let two = scene.life().spawn();
    eventually(LIMIT, "commits of both workers", || {
        scene.feed_on();
        (writers(&scene.pipeline).len() == 2).then_some(())
    });
    // Transactions are open.
    scene.feed();
    two.kill();
    scene.flags = ["--workers", "1"].map(str::to_owned).into();
    let life = scene.life();
    scene.dies_at(point, 0, life, |_, _| {});
}

/// A commit finds the group in a rebalance.
fn rewinding(scene: &mut Scene, point: Point) {
    let passed = scene.random.random_range(0..6);
    let actions = format!(
        "not-a-member={passed}*off->1*return;{}=return",
        point.name()
    );
    let life = scene.life().env("FAILPOINTS", actions).spawn();
    scene.died_at(point, life, &mut |scene, _| scene.feed_on());
}

/// Suspended inside a transaction, until its partition is another's: it cannot commit it any more.
fn aborting(scene: &mut Scene, point: Point) {
    scene.feed();
    let actions = format!("flushed=3*off->1*sleep(8000);{}=return", point.name());
    let mut suspended = scene.life().env("FAILPOINTS", actions).spawn();
    eventually(LIMIT, "the output topics", || {
        (committed_events(&scene.pipeline) > 0).then_some(())
    });
    let mut since: Option<Instant> = None;
    eventually(LIMIT, "a transaction that stays open", || {
        let pipeline = &scene.pipeline;
        if !has_open_transaction(&pipeline.brokers, &pipeline.results, 0) {
            since = None;
            scene.feed_on();
            return None;
        }
        let since = since.get_or_insert_with(Instant::now);
        // Many commit intervals.
        (since.elapsed() > Duration::from_secs(1)).then_some(())
    });
    suspended.signal(libc::SIGSTOP);
    // Something to do, so that the successor waits for the partition.
    scene.feed();
    scene.life_to_end().run().expect_code(0);
    suspended.signal(libc::SIGCONT);
    scene.died_at(point, suspended, &mut |_, _| {});
}

/// The results topic takes smaller batches all at once than it did at start, until somebody sets it right.
fn rebuilding(scene: &mut Scene, point: Point) {
    let (brokers, results) = (
        scene.pipeline.brokers.clone(),
        scene.pipeline.results.clone(),
    );
    let setting = |bytes| set_topic_config(&brokers, &results, ("max.message.bytes", bytes));
    let mut set = false;
    let life = scene.life();
    scene.dies_at(point, 0, life, |scene, _| {
        scene.feed_on();
        if !set && committed_events(&scene.pipeline) > 0 {
            // Each result fits, not two of them.
            setting("250");
            set = true;
        }
    });
    setting("1048588");
}

/// Another process joins, and gets partitions of this one.
fn giving_back(scene: &mut Scene, point: Point) {
    // As many workers as partitions: otherwise there is nothing to be given.
    scene.flags = ["--workers", "1"].map(str::to_owned).into();
    let mut other: Option<Running> = None;
    let life = scene.life();
    scene.dies_at(point, 0, life, |scene, _| {
        scene.feed_on();
        if other.is_none() && committed_events(&scene.pipeline) > 0 {
            other = Some(scene.life().spawn());
        }
    });
    let mut other = other.expect("another process");
    // It takes the dead one's partitions over.
    wait_until_committed(&scene.pipeline, scene.sent());
    other.signal(libc::SIGTERM);
    other.wait(LIMIT).expect_code(0);
}

/// A process is suspended between its segments and their manifest; another takes over, and its manifest comes first.
fn coming_too_late(scene: &mut Scene, point: Point) {
    for _ in 0..scene.random.random_range(1..4) {
        scene.feed();
    }
    let actions = format!("segments-put=1*sleep(3000);{}=return", point.name());
    let mut suspended = scene.life().env("FAILPOINTS", actions).spawn();
    wait_until_committed(&scene.pipeline, scene.sent());
    eventually(LIMIT, "segments without a manifest", || {
        let put = scene.objects("rejects/partition=0");
        (!put.is_empty()).then_some(())
    });
    suspended.signal(libc::SIGSTOP);
    // Something to do, so that the successor waits for the partition.
    scene.feed();
    let successor = scene.life_to_end();
    if point == Point::LoserMoved {
        // Otherwise it moves the late segments itself, as soon as it has stored what they hold.
        scene.dies_at(Point::Appended, 0, successor, |_, _| {});
    } else {
        successor.run().expect_code(0);
    }
    suspended.signal(libc::SIGCONT);
    scene.died_at(point, suspended, &mut |_, _| {});
}

/// Told to stop under load.
fn stopping(scene: &mut Scene, point: Point) {
    let life = scene.life();
    let enough = scene.random.random_range(1..500);
    let mut told = false;
    scene.dies_at(point, 0, life, |scene, running| {
        if told {
            return;
        }
        scene.feed_on();
        if committed_events(&scene.pipeline) >= enough {
            running.signal(libc::SIGTERM);
            told = true;
        }
    });
}
