//! A refusal in full, for somebody who was woken by it: what, where, why, and the commands that resolve it.

mod what_to_do;
mod why;

pub use what_to_do::another;

use std::{fmt::Write as _, mem::discriminant};

use super::{
    invocation::Invocation,
    refusal::{Cause, Refusal, Remedy},
};

/// Text is broken before this column.
const WIDTH: usize = 100;

impl Refusal {
    /// The commands that resolve it, made from `invocation`, best first.
    #[must_use]
    pub fn commands(&self, invocation: &Invocation) -> Vec<String> {
        let remedies = self.remedies.iter();
        remedies
            .flat_map(|remedy| what_to_do::commands(self, remedy, invocation))
            .map(|command| command.to_string())
            .collect()
    }

    /// The whole text for the terminal, several lines, with commands made from `invocation`. No trailing line break.
    #[must_use]
    pub fn explain(&self, invocation: &Invocation) -> String {
        let mut text = String::new();
        paragraph(&mut text, &format!("refused: {self}"));
        text.push('\n');
        let places = places(self);
        let width = places
            .iter()
            .map(|(label, _)| label.len())
            .max()
            .unwrap_or_default();
        for (label, value) in places {
            let _ = writeln!(text, "  {label:width$}  {value}");
        }
        text.push('\n');
        paragraph(&mut text, &why::why(&self.cause));
        for (n, remedy) in self.remedies.iter().enumerate() {
            let or = if n == 0 { "" } else { "Or: " };
            text.push('\n');
            paragraph(
                &mut text,
                &format!("{or}{}", what_to_do::sentence(self, remedy)),
            );
            for command in what_to_do::commands(self, remedy, invocation) {
                let _ = writeln!(text, "  {command}");
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// All refusals of one process: of those with one cause the first in full, and what differs of the others; and, when there are
/// several that flags resolve, the one command for them together.
#[must_use]
pub fn report(refusals: &[Refusal], invocation: &Invocation) -> String {
    let mut text = String::new();
    for (n, refusal) in refusals.iter().enumerate() {
        let of_its_kind =
            |other: &&Refusal| discriminant(&other.cause) == discriminant(&refusal.cause);
        if refusals[..n].iter().any(|earlier| of_its_kind(&earlier)) {
            continue;
        }
        text.push_str(&refusal.explain(invocation));
        text.push_str("\n\n");
        let others = refusals[n + 1..].iter().filter(of_its_kind);
        let (same, other): (Vec<&Refusal>, Vec<&Refusal>) =
            others.partition(|other| other.cause == refusal.cause && !names_its_partition(other));
        if !same.is_empty() {
            let partitions: Vec<String> =
                same.iter().map(|one| one.partition.to_string()).collect();
            let all = format!(
                "The same holds for the partitions {}.",
                partitions.join(", ")
            );
            paragraph(&mut text, &all);
            text.push('\n');
        }
        for other in other {
            paragraph(&mut text, &format!("refused, for the same reason: {other}"));
            let first = other.remedies.first();
            let commands = first.map(|remedy| what_to_do::commands(other, remedy, invocation));
            for command in commands.into_iter().flatten() {
                let _ = writeln!(text, "  {command}");
            }
            text.push('\n');
        }
    }
    if let Some(command) = together(refusals, invocation) {
        paragraph(
            &mut text,
            "The first choice of flags for all of them in one command:",
        );
        let _ = writeln!(text, "  {command}");
    }
    text.truncate(text.trim_end().len());
    text
}

/// Whether a command that resolves it names its partition.
fn names_its_partition(refusal: &Refusal) -> bool {
    let of_a_partition = |remedy: &Remedy| matches!(remedy, Remedy::Once { accept_loss, .. } if accept_loss.is_some());
    refusal.remedies.iter().any(of_a_partition)
}

/// The first flags of each refusal in one command; `None` unless there are at least two, and all agree on a side.
fn together(refusals: &[Refusal], invocation: &Invocation) -> Option<Invocation> {
    let mut sides = Vec::new();
    let mut command = invocation.clone();
    for refusal in refusals {
        let first = refusal.remedies.iter().find_map(|remedy| match remedy {
            Remedy::Once {
                resume_from,
                accept_loss,
            } => Some((*resume_from, *accept_loss)),
            _ => None,
        });
        let Some((side, loss)) = first else { continue };
        sides.push(side);
        if let Some(range) = loss {
            command = command.accepting(refusal.partition, range);
        }
    }
    let mut named: Vec<_> = sides.iter().flatten().map(|side| side.as_str()).collect();
    named.dedup();
    match (sides.len(), named.as_slice()) {
        (0 | 1, _) | (_, [_, _, ..]) => None,
        (_, []) => Some(command),
        (_, [side]) => Some(command.set("--resume-from", *side)),
    }
}

/// Where it is: label and value.
fn places(refusal: &Refusal) -> Vec<(&'static str, String)> {
    let pipeline = &refusal.pipeline;
    let mut places = vec![
        (
            "topic",
            format!("{}, partition {}", pipeline.events_topic, refusal.partition),
        ),
        ("group", pipeline.group.clone()),
        ("store", refusal.store.clone()),
    ];
    let by = |by: &Option<String>| by.clone().unwrap_or_else(|| "a newer snapback".to_owned());
    let mut add = |label, value| places.push((label, value));
    match &refusal.cause {
        Cause::OtherPipeline {
            sequence,
            differences,
        } => {
            add("manifest", sequence.to_string());
            for difference in differences {
                add(
                    "differs",
                    format!(
                        "{}: {} in the store, {} here",
                        difference.part, difference.store, difference.ours
                    ),
                );
            }
        }
        Cause::NewerCommit {
            committed,
            version,
            by: writer,
        } => {
            add(
                "committed",
                format!("{committed}, in format {version}, by {}", by(writer)),
            );
        }
        Cause::NewerManifest {
            sequence,
            version,
            by: writer,
        } => {
            add(
                "manifest",
                format!("{sequence}, in format {version}, by {}", by(writer)),
            );
        }
        Cause::Unreadable { damage } => {
            for file in damage {
                add("damaged", format!("{}: {}", file.path, file.detail));
            }
        }
        Cause::Closed { error } => add("store", error.clone()),
        Cause::StrayNumber { path, below } => {
            add("file", path.clone());
            add("below", format!("manifest {below}"));
        }
        Cause::HeadUnknown {
            head,
            by,
            committed,
            newest,
        } => {
            add("committed", format!("{committed}, by {by}"));
            add(
                "",
                format!("with manifest {} ({})", head.sequence, head.digest),
            );
            add(
                "in store",
                newest.map_or_else(
                    || "nothing of this partition".to_owned(),
                    |(sequence, end)| {
                        format!("manifest {sequence}, up to offset {end}; not the one above")
                    },
                ),
            );
        }
        Cause::Truncated {
            committed,
            frontier,
            log_end,
        } => {
            if let Some(committed) = committed {
                add("committed", committed.to_string());
            }
            if let Some(frontier) = frontier {
                add("in store", format!("up to offset {frontier}"));
            }
            add("log end", log_end.to_string());
        }
        Cause::Gone {
            range,
            committed,
            damage,
            given,
            ..
        } => {
            if let Some(committed) = committed {
                add("committed", committed.to_string());
            }
            add("log start", range.end().to_string());
            add("gone", format!("{range} ({} offsets)", range.len()));
            for file in damage {
                add("damaged", format!("{}: {}", file.path, file.detail));
            }
            for other in given {
                add(
                    "accepted",
                    format!("{other}, which is not exactly what is gone"),
                );
            }
        }
        Cause::ReplayMismatch { range, given, .. } => {
            add("replay", range.to_string());
            for other in given {
                add("accepted", format!("{other}, which is not exactly that"));
            }
        }
        Cause::UnreadableEvents {
            range,
            fault,
            given,
            ..
        } => {
            add("unreadable", fault.text.clone());
            add("lost", format!("{range} ({} offsets)", range.len()));
            for other in given {
                add("accepted", format!("{other}, which is not exactly that"));
            }
        }
        Cause::RefusedEvent {
            range,
            event,
            given,
        } => {
            add("refused by", format!("{} ({})", event.topic, event.rules));
            add("broker says", event.words.clone());
            add("lost", format!("{range} (1 offset)"));
            for other in given {
                add("accepted", format!("{other}, which is not exactly that"));
            }
        }
        Cause::CommittedByOther { range } => {
            add(
                "committed",
                format!("{}, without our metadata", range.end()),
            );
            add("in store", format!("up to offset {}", range.start()));
        }
        Cause::GroupReset { range } => {
            add("committed", range.start().to_string());
            add("in store", format!("up to offset {}", range.end()));
        }
        Cause::CommittedMissing { frontier, log_end } => {
            add("committed", "nothing".to_owned());
            add("in store", format!("up to offset {frontier}"));
            add("log end", log_end.to_string());
        }
        Cause::Defect { deaths, message } => {
            add("failed", format!("{deaths} times: {message}"));
        }
    }
    places
}

/// `words`, broken into lines of at most [`WIDTH`] columns.
fn paragraph(text: &mut String, words: &str) {
    let mut column = 0;
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            text.push('\n');
            column = 0;
        }
        if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}
