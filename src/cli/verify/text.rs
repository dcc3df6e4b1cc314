//! What `verify` found, for people.

use crate::{
    audit::Report,
    cli::{out::shown, unread::unread_text},
    store::Store,
};

/// So many files of others are named.
const MOST_UNKNOWN: usize = 100;

/// So many ranges that are lost are named.
const MOST_LOST: usize = 100;

/// The report as text.
pub(super) fn text(report: &Report, store: &Store) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&format!(
            "{}: partition {}, offsets {}-{}{}\n  {}\n  {}\n",
            finding.kind,
            finding.partition,
            finding.start,
            finding.end,
            finding
                .segment
                .as_ref()
                .map(|segment| format!(", {}", shown(segment)))
                .unwrap_or_default(),
            shown(&finding.detail),
            shown(&finding.remedy)
        ));
    }
    for unread in &report.unread {
        text.push_str(&unread_text(unread));
    }
    for file in report.unknown_files.iter().take(MOST_UNKNOWN) {
        text.push_str(&format!(
            "left alone: {}: {}\n",
            shown(&file.location(store)),
            file.what
        ));
    }
    if report.unknown_files.len() > MOST_UNKNOWN {
        let more = report.unknown_files.len() - MOST_UNKNOWN;
        text.push_str(&format!("left alone: {more} more files like these\n"));
    }
    if report.raw_timestamps > 0 {
        text.push_str(&format!(
            "{} timestamps lie outside of the years 1 to 9999: kafka_timestamp_raw has them\n",
            report.raw_timestamps
        ));
    }
    if report.not_known > 0 {
        text.push_str(&format!(
            "not known: when the events of {} results were, and their keys where messages do not carry them: these results were made again from the results topic; their values are compared as all others are\n",
            report.not_known
        ));
    }
    for lost in report.lost_ranges.iter().take(MOST_LOST) {
        text.push_str(&format!(
            "lost: partition {}, offsets {}-{}: {}, accepted at {}\n",
            lost.partition, lost.start, lost.end, lost.reason, lost.accepted_at
        ));
    }
    if report.lost_ranges.len() > MOST_LOST {
        let more = report.lost_ranges.len() - MOST_LOST;
        text.push_str(&format!("lost: {more} more ranges like these\n"));
    }
    for compared in &report.calculations {
        text.push_str(&format!(
            "compared with {}: {} outcomes\n",
            shown(&compared.declaration.to_string()),
            compared.outcomes
        ));
    }
    text.push_str(&format!(
        "{}: {} partitions, {} offsets = {} results + {} rejects{} + {} absent + {} lost; {} not compared, {} findings{}\n",
        match (report.clean, report.lost) {
            (true, 0) => "clean",
            (true, _) => "clean but for what is lost",
            (false, _) => "NOT clean",
        },
        report.partitions,
        report.offsets,
        report.results,
        report.rejects,
        match report.filtered {
            0 => String::new(),
            filtered => format!(" + {filtered} filtered"),
        },
        report.absent,
        report.lost,
        report.not_compared,
        report.findings.len(),
        match report.unread.len() {
            0 => String::new(),
            places => format!(", {places} places could not be read"),
        }
    ));
    if let Some(published) = report.published {
        text.push_str(&format!(
            "published: {} messages compared, {} of them copies; {} outcomes not checkable, {} messages unknown\n",
            published.messages, published.copies, published.not_checkable, published.unknown
        ));
    }
    if let Some(reread) = report.kafka {
        text.push_str(&format!(
            "kafka: {} filtered events evaluated again; {} not checkable, {} not compared; {} offsets committed and in no snapshot yet\n",
            reread.filtered, reread.not_checkable, reread.not_compared, reread.unstored
        ));
    }
    text
}
