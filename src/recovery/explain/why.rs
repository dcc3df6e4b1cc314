//! Why going on would lose or double something.

use crate::{
    kafka::FaultKind,
    model::{Offset, OffsetRange},
    recovery::refusal::{Cause, Difference, IdentityPart, Published},
};

/// One paragraph.
pub(super) fn why(cause: &Cause) -> String {
    match cause {
        Cause::OtherPipeline { differences, .. } => other_pipeline(differences),
        Cause::NewerCommit { .. } => "The group's progress was last committed by a newer snapback, in a format that this program \
            cannot read. Going on would overwrite what the newer program needs to know, and results could be published twice."
            .to_owned(),
        Cause::NewerManifest { .. } => "The newest manifest was written by a newer snapback, in a format that this program cannot \
            read. Going on without it would publish its results again and fork the stored history."
            .to_owned(),
        Cause::Unreadable { .. } => "The store has a history of this partition, but not one of its manifests can be read, so it \
            is not known which segments belong to it and where it ends. Going on would leave all of it out of every later check. \
            No file was changed."
            .to_owned(),
        Cause::Closed { .. } => "The store answers, but not for what it holds of this partition: its rights, or a place that leads \
            nowhere. Without it, it is not known which segments belong to it and where it ends. A process that runs goes on with \
            the partition by itself as soon as it can be read. No file was changed."
            .to_owned(),
        Cause::StrayNumber { .. } => "Manifests are numbered one by one, and the newest is the one with the highest number. No store \
            has lost as many as are missing below this file, so it was put there by mistake or to do harm. Nothing can follow it \
            without counting all of them as lost. No file was changed."
            .to_owned(),
        Cause::HeadUnknown { newest: None, .. } => "Whoever ran this group last had a store with a history of this partition; this \
            store has none. A wrong --store or a lost folder looks like this. Going on silently would leave the stored results \
            behind."
            .to_owned(),
        Cause::HeadUnknown { newest: Some(_), .. } => "Whoever ran this group last had a newer or another history than this store. A \
            wrong --store or a store brought back from an old backup looks like this. Going on silently would leave a hole in the \
            stored results or publish results twice."
            .to_owned(),
        Cause::Truncated { .. } => "The log ends before events that were already processed: it was truncated (an unclean leader \
            election does that) or the topic was recreated. Kafka gives their offsets to other events now, and an event is known by \
            its offset: under the same offset the store and the results topic would hold the results of two different events. \
            There is no loss that could be accepted, so this history ends here, as it is; it stays readable."
            .to_owned(),
        Cause::Gone { range, published, .. } => gone(*range, *published),
        Cause::ReplayMismatch { expected, found, .. } => format!(
            "Our commits say that {expected} were published for this range; read again, it gives {found}. Compaction or \
             deletion of single records changes a log like this. A snapshot of what is there now would not be what was \
             published. The results topic still holds what was published."
        ),
        Cause::UnreadableEvents { range, at, fault, .. } => unreadable(*range, *at, fault.kind),
        Cause::RefusedEvent { event, .. } => format!(
            "What was to be published of the event {} was refused again and again, also alone in its transaction: a rule of the \
             topic {} stands in the way, not the network. Without it the event's outcome would be in the store and nowhere else. \
             The events before it are published and stored; the other partitions go on.",
            event.offset, event.topic
        ),
        Cause::CommittedByOther { range } => format!(
            "The group was moved ahead by something that is not snapback (another consumer of the group, or a tool that sets \
             offsets). Whether results of {range} were published is not known: publishing them may double them, skipping them may \
             lose them."
        ),
        Cause::GroupReset { range } => format!(
            "The group was reset to an offset before what the store holds. The outcomes of {range} were published once and are \
             stored: consuming them again would publish every one of them a second time. To check stored results there is no need \
             to reset a group: `snapback verify` recalculates all of them."
        ),
        Cause::CommittedMissing { frontier, .. } => format!(
            "The group has no offset, although the store shows that it had one: brokers forget the offsets of an empty group after \
             a week, and groups can be deleted. What was published after the last snapshot, from offset {frontier} on, is not \
             known; usually nothing, because a clean shutdown ends with a snapshot."
        ),
        Cause::Defect { .. } => "Each time the facts were gathered anew and what was not stored was read again from Kafka, and it failed \
            in the same way. What is committed is published, and stays in Kafka: nothing is lost, and the next start replays it. The other \
            partitions go on."
            .to_owned(),
    }
}

fn other_pipeline(differences: &[Difference]) -> String {
    let differs = |part| differences.iter().any(|difference| difference.part == part);
    let what = if differs(IdentityPart::Cluster) {
        "The store was written from another Kafka cluster. Is --brokers right, and --store?"
    } else if differs(IdentityPart::EventsTopicId) {
        "The events topic was deleted and created again under its name: its offsets stand for other events than the stored ones."
    } else if differs(IdentityPart::ResultsPartitions) {
        "The results topic has another number of partitions than when this store began. A result's partition follows from that \
         number, and Kafka cannot take partitions away again."
    } else {
        "A store belongs to one pipeline: one group that turns one events topic into one results topic."
    };
    format!(
        "{what} Going on would mix two histories under the same offsets, and neither could be verified any more. Nothing was \
         changed."
    )
}

fn unreadable(range: OffsetRange, at: Offset, kind: FaultKind) -> String {
    let what = match kind {
        FaultKind::Damaged => {
            "Their bytes are not those that were written: a disk or a memory of the broker has changed them."
        }
        FaultKind::TooLarge => {
            "A client takes batches of up to receive.message.max.bytes (100 MB unless it is set), unpacked as well as packed; this \
             one is probably larger."
        }
        FaultKind::Malformed => {
            "Their bytes are those that were written, and cannot be unpacked: whoever produced them has a defect."
        }
        FaultKind::Unsupported => {
            "They are written in a format, or compressed in a way, that this program does not know."
        }
        FaultKind::Broker | FaultKind::Denied | FaultKind::Passing => {
            "The broker cannot read them from its own log; its log file says more."
        }
    };
    let published = if at > range.start() {
        format!(
            " What was published of {}-{at} is not stored yet and goes with them: it stays in the results topic.",
            range.start()
        )
    } else {
        String::new()
    };
    format!(
        "{what} Reading them failed again and again, and events that cannot be read are never taken for events that are not \
         there.{published} A loss is recorded only when somebody accepts exactly this range."
    )
}

fn gone(range: OffsetRange, published: Option<Published>) -> String {
    let unread = match published {
        Some(published) if published.range == range => None,
        Some(published) => Some(format!("{}-{}", published.range.end(), range.end())),
        None => Some(range.to_string()),
    };
    let mut text = String::from("Kafka deleted these events before they reached a snapshot.");
    if let Some(published) = published {
        let range = published.range;
        text.push_str(&match published.outcomes {
            Some(0) => format!(" No outcome of {range} was published."),
            Some(n) if published.exact => {
                format!(" {n} outcomes of {range} were published already; the results topic still holds them, the store will not.")
            }
            Some(n) => format!(
                " At most {n} outcomes of {range} were published already; the results topic still holds them, the store will not."
            ),
            None => format!(" {range} was committed by somebody else; whether results of it were published is not known."),
        });
    }
    if let Some(unread) = unread {
        text.push_str(&format!(
            " {unread} was never read by this group: no result of it exists."
        ));
    }
    text.push_str(" A loss is recorded only when somebody accepts exactly this range.");
    text
}
