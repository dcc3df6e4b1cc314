//! The commands of the documentation, run as they stand there, in the order in which they stand there.
//!
//! A block of the kind `console` or `sh` whose first command is snapback's is run. Blocks follow each other in one scene, which
//! a comment before the first of them names, and perhaps what somebody did to it (`<!-- scene: numbers, a-flipped-byte -->`); a
//! comment before a later one says what happens in between (`<!-- then: a-message-twice -->`). In a `console` block a line that begins with `$ ` is a command,
//! and what follows is what it prints; `...` stands for whatever is there, alone on a line for any number of lines. Digests, times,
//! sizes and the random part of names differ from run to run and are not compared; topics and brokers are shown under the names
//! that are the defaults. `SNAPBACK_UPDATE_DOCS=1` writes what the commands print into the document.

mod falsified;
mod markdown;
mod scenes;

use std::collections::BTreeSet;

use snapback::audit::FindingKind;

use markdown::Document;

const RECALCULATION: &str = "docs/recalculation.md";
const RECOVERY: &str = "docs/recovery.md";

/// Scenes that change topics take longest: they have a test of their own.
fn is_about_topics(scene: &str) -> bool {
    scene.starts_with("topics-")
}

#[test]
fn what_the_commands_about_recalculation_print_stands_in_the_documentation() {
    Document::read(RECALCULATION).run(|_| true);
}

#[test]
fn what_the_commands_about_recovery_print_stands_in_the_documentation() {
    Document::read(RECOVERY).run(|scene| !is_about_topics(scene));
}

#[test]
fn what_the_commands_about_topics_print_stands_in_the_documentation() {
    Document::read(RECOVERY).run(is_about_topics);
}

#[test]
fn every_kind_of_finding_has_a_paragraph_with_what_is_printed_and_what_to_do() {
    let document = Document::read(RECOVERY);
    let mut told = BTreeSet::new();
    for section in document.sections("### ") {
        for kind in FindingKind::ALL {
            let is_named = section.title.contains(&format!("`{kind}`"));
            let is_shown = section.blocks().iter().any(|block| {
                // As `verify` says it, or as the log of a running processor does.
                let texts = [format!("{kind}: partition "), format!("{kind} at ")];
                texts.iter().any(|text| block.text.contains(text))
            });
            if is_named {
                assert!(is_shown, "{kind}: its section shows no output with it");
                assert!(told.insert(kind.as_str()), "{kind} has two sections");
            }
        }
    }
    let all: BTreeSet<&str> = FindingKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let missing: Vec<_> = all.difference(&told).collect();
    assert!(
        missing.is_empty(),
        "no section of {RECOVERY} tells of {missing:?}"
    );
}
