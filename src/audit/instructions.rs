//! What can be done about each finding with this version of snapback: the instructions that a report prints.
//!
//! Only commands that exist are named.

use super::Finding;
use crate::{
    calculation::Declaration,
    format::{PageLink, Segment},
    kafka::FaultKind,
    model::{Digest, Offset, Partition, Sequence},
    recovery::Invocation,
};

/// What the commands that remedies name become for who was started with flags: complete, so that they can be copied.
pub(super) struct Commands([(&'static str, Invocation); 4]);

const RUN: &str = "`snapback run`";
const REPAIR: &str = "`snapback repair --apply`";
const REREAD: &str = "`snapback repair --kafka --apply`";
const VERIFY: &str = "`snapback verify`";

impl Commands {
    pub fn of(invocation: &Invocation) -> Commands {
        let place = ["--config", "--events", "--store", "--s3-endpoint"];
        let made = ["--brokers", "-X", "--fields", "--calculation"];
        let with = |flags: &[&str], command| invocation.clone().only(flags).as_command(command);
        let once = ["--accept-loss", "--resume-from", "--output"];
        let run = once
            .into_iter()
            .fold(invocation.clone(), Invocation::without);
        let repair = with(&[&place[..], &made[..]].concat(), "repair");
        Commands([
            (RUN, run.as_command("run")),
            (
                REREAD,
                repair.clone().with_switch("--kafka").with_switch("--apply"),
            ),
            (REPAIR, repair.with_switch("--apply")),
            (VERIFY, with(&place, "verify")),
        ])
    }

    /// Completes the commands of a finding's remedy.
    pub fn complete(&self, finding: &mut Finding) {
        for (short, command) in &self.0 {
            finding.remedy = finding.remedy.replace(short, &format!("`{command}`"));
        }
    }
}

/// A live segment whose file is damaged or gone.
pub(super) fn restore(segment: &Segment, location: &str) -> String {
    format!(
        "{REPAIR} makes it again from Kafka, as long as Kafka holds its events; else restore \
         {location} from a backup ({} bytes, {}), keeping the damaged file, if there is one, under another \
         name outside of the store; without a backup, that command says how to record the range as lost",
        segment.bytes, segment.digest
    )
}

/// A page that is damaged or gone.
pub(super) fn page(link: &PageLink, location: &str) -> String {
    if link.files == 0 {
        return format!(
            "{REPAIR} makes it again, exactly as it was, from the manifest that it was made of, if that is still there; else \
             restore {location} from a backup ({} bytes, {}). No segment says what it said. New events go on being processed; gc \
             deletes nothing of the partition until then",
            link.bytes, link.digest
        );
    }
    format!(
        "leave the segments of its range where they are: {REPAIR} makes it again, exactly as it was, from an older manifest or \
         from what they say about themselves; else restore {location} from a backup ({} bytes, {}). New events go on being \
         processed; gc deletes nothing of the partition until then",
        link.bytes, link.digest
    )
}

/// A live segment whose bytes are what the manifest states, but whose rows are wrong.
pub(super) fn rewritten(location: &str) -> String {
    format!(
        "the digests agree, so {location} was written or rewritten like this: {REPAIR} makes \
         it again from Kafka, as long as Kafka holds its events and they are as many as the manifest states; \
         else restore it and the manifests of its partition from a backup made before"
    )
}

/// A manifest that is wrong about a segment's file, which has the digest that it states.
pub(super) fn misstated() -> String {
    "the file is the right one, so the manifest was written or rewritten like this: restore the manifests \
     of its partition from a backup made before"
        .to_owned()
}

/// A wrong value beside right inputs.
pub(super) fn recomputed(location: &str) -> String {
    format!(
        "the recalculated value is the right one: it follows from the fields stored beside it. The digests \
         agree, so {location} was written or rewritten like this: {REPAIR} stores the right \
         value, and the processor publishes it as a correction"
    )
}

/// A correction that changes nothing.
pub(super) fn corrected(location: &str) -> String {
    format!(
        "no result is wrong by it: what was published is the same twice. The digests agree, so {location} was written or \
         rewritten like this; restore it and the manifests of its partition from a backup made before, or leave it"
    )
}

/// An event that should not have been filtered.
pub(super) fn wrong_filtered() -> String {
    format!(
        "the event is right: {REREAD} gives it its outcome, as long as Kafka holds all events of its range, and the processor \
         publishes it as a correction"
    )
}

/// An event where there should be none.
pub(super) fn wrong_absent() -> String {
    "offsets are never given twice, so one of the two was rewritten: find out whether the events topic was copied, restored or \
     truncated, else restore the manifests of the partition and its segments from a backup"
        .to_owned()
}

/// A group that is behind its snapshots.
pub(super) fn uncommitted(group: &str, end: Offset) -> String {
    format!(
        "nothing is wrong with what is stored: somebody has set the offsets of the group {group} back. {RUN} refuses and says how \
         to go on; or set them to {end} again"
    )
}

/// A live segment that lies in the attic.
pub(super) fn out_of_attic(attic: &str, location: &str) -> String {
    format!(
        "{RUN} puts it back when it takes the partition over; while nothing runs, you can move \
         {attic} to {location} yourself"
    )
}

/// A file that no manifest lists.
pub(super) fn orphan(location: &str, beyond: bool) -> String {
    if beyond {
        format!(
            "{RUN} adopts it or moves it to the attic when it takes the partition over; until \
             then leave {location} where it is: it may hold what the chain has lost"
        )
    } else {
        format!(
            "the chain holds these offsets without it: {RUN} moves it to the attic when it takes \
             the partition over; while nothing runs, you can move {location} out of the store yourself"
        )
    }
}

/// A file among the segments that is none.
pub(super) fn stranger(location: &str) -> String {
    format!("snapback did not write it: move {location} out of the store")
}

/// Numbers above the newest good manifest that cannot be read.
pub(super) fn newest_manifest(location: &str, end: Offset) -> String {
    format!(
        "{REPAIR} appends again what the segments after offset {end} prove; else restore {location} from a backup; without one, \
         {RUN} continues the chain from offset {end} and replays what follows from Kafka, as long as Kafka still holds it"
    )
}

/// The newest number, whose file the store does not let be read.
pub(super) fn closed_manifest(location: &str) -> String {
    format!(
        "let {location} be read (its owner and mode, or what it leads to), or restore it from a backup; until then {RUN} holds \
         the partition, and goes on with the others"
    )
}

/// A number inside the chain that cannot be read.
pub(super) fn older_manifest(location: &str) -> String {
    format!(
        "newer manifests list everything that is live, so nothing is lost with it but the record of how it came about: restore \
         {location} from a backup, or {REPAIR} lets the history begin after it"
    )
}

/// A number that a later manifest has recorded as unreadable.
pub(super) fn skipped(by: Sequence) -> String {
    format!(
        "nothing to do: manifest {by} has recorded the damage and continues from the manifest before"
    )
}

/// No manifest of the partition can be read.
pub(super) fn no_manifest(location: &str) -> String {
    format!("restore {location} from a backup, before {RUN} takes the partition over")
}

/// A manifest that does not follow from its base.
pub(super) fn broken(newer: &str, older: &str, base: Option<Digest>) -> String {
    let stated = base
        .map(|digest| format!(" (its digest was {digest})"))
        .unwrap_or_default();
    format!(
        "one of the two was rewritten: compare {newer} and {older}{stated} with a backup, and restore the \
         one that differs"
    )
}

/// A manifest that its successor, which its own successor vouches for, does not know.
pub(super) fn rewritten_manifest(older: &str, base: Digest) -> String {
    format!(
        "it is {older} that was rewritten (its digest was {base}); newer manifests list everything that is live: restore it from a \
         backup, or {REPAIR} lets the history begin after it"
    )
}

/// Segments of another calculation than the one that was given.
pub(super) fn other_calculation() -> String {
    format!(
        "nothing is wrong with them; with `--on-new-calculation recalculate`, {RUN} brings them under the one that was given and \
         publishes what changes"
    )
}

/// A column in more than one type.
pub(super) fn mixed_types() -> String {
    format!(
        "with `--on-new-calculation recalculate` and the fields and the calculation that are to hold, {RUN} writes the others anew, as \
         far as Kafka still holds their events; until then, read the segments of one type alone"
    )
}

/// Segments of a calculation that this program does not have.
pub(super) fn not_compared(declared: &Declaration) -> String {
    format!(
        "run {VERIFY} with the program that wrote them, or one that has the calculation {:?}: the store keeps everything else \
         that it needs",
        declared.calculation
    )
}

/// A calculation with two answers.
pub(super) fn not_deterministic() -> String {
    format!(
        "nothing is mended by itself. A calculation must give the same for the same fields: look for a clock, random numbers, \
         shared state or faulty memory (a built-in one has none of the first three), then run {VERIFY} on another machine"
    )
}

/// Stored outcomes that are not in their topic.
pub(super) fn unpublished(topic: &str) -> String {
    format!(
        "the snapshots hold them complete: readers of {topic} can take them from there; this version of snapback cannot \
         publish them again. If {topic} was deleted and created anew, that is why"
    )
}

/// Outcomes that are in their topic more than once; with at-least-once delivery that may be.
pub(super) fn published_twice(expected: bool) -> String {
    if expected {
        "at-least-once delivery may do that after a crash: the copies have the same source, readers keep one of them".to_owned()
    } else {
        "the copies have the same source: readers keep one of them; nothing can be taken out of a topic. If the processor ran \
         with --delivery at-least-once, say so here, too"
            .to_owned()
    }
}

/// Messages that are not what is stored.
pub(super) fn published_wrong() -> String {
    "nothing can be changed in a topic: if `snapback verify --level semantic` finds the store clean, the stored outcome is \
     the right one, and somebody else wrote the message"
        .to_owned()
}

/// Corrections that are not in their topic.
pub(super) fn stale_revision(topic: &str) -> String {
    format!(
        "{RUN} publishes corrections that still wait as soon as it owns the partition; while it runs, its status \
         shows how many wait. If none do, {topic} was deleted and created anew: readers can take the outcomes from the snapshots"
    )
}

/// Messages that no client can read.
pub(super) fn unreadable_messages(kind: FaultKind) -> String {
    match kind {
        FaultKind::TooLarge => {
            "let the client take larger batches (-X receive.message.max.bytes=2147483647), and verify again".to_owned()
        }
        FaultKind::Unsupported => {
            "verify again with a version of snapback whose client knows this format or compression".to_owned()
        }
        _ => "if another replica of the partition is whole, let its broker lead (kafka-leader-election.sh, or stop the broker that \
             leads now), and verify again; if none is, no client can read them any more, and nothing can be said of them until \
             retention has removed them"
            .to_owned(),
    }
}

/// A log that goes on, and gives nothing.
pub(super) fn silent_log() -> String {
    "a batch of the log with a wrong length does that: the broker's own log, and `kafka-dump-log.sh` on its files, say more; if \
     another replica of the partition is whole, let its broker lead (kafka-leader-election.sh), and verify again"
        .to_owned()
}

/// Outcomes that are stored and cannot be read.
pub(super) fn unreadable_store() -> String {
    "`snapback verify` names what cannot be read, and says what can be done about it".to_owned()
}

/// A transaction that hides what was published after it began.
pub(super) fn open_transaction(topic: &str, partition: Partition) -> String {
    format!(
        "verify again when it has ended: by itself after its transaction.timeout.ms; `kafka-transactions.sh describe-producers \
         --topic {topic} --partition {partition}` says whose it is, and docs/recovery.md how to end one that hangs"
    )
}
