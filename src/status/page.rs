//! `/`: a page for people, which loads nothing and refreshes itself.

use std::{fmt::Write as _, time::Duration};

use chrono::SecondsFormat;

use super::{assess, json};
use crate::{
    model::Offset,
    processor::{PhaseView, ProcessView},
};

const STYLE: &str = include_str!("page.css");

pub(super) fn render(view: &ProcessView) -> String {
    let about = &*view.about;
    let state = assess::state(view).as_str();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"3\">\n<title>snapback {} {state}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>snapback <span class=\"state {state}\">{state}</span></h1>\n",
        escaped(&about.events),
    );
    let mut line = |text: String| {
        page.push_str(&text);
        page.push('\n');
    };
    line(format!(
        "<p>{} from <b>{}</b> to <b>{}</b> (rejects: {}), group {}, store {}</p>",
        escaped(&about.summary()),
        escaped(&about.events),
        escaped(&about.results),
        escaped(&about.rejects),
        escaped(&about.group),
        escaped(&about.store),
    ));
    line(format!(
        "<p class=\"quiet\">instance {}, version {}, up {}, {}; <a href=\"status\">JSON</a>, <a href=\"metrics\">metrics</a></p>",
        escaped(&about.instance),
        escaped(&about.version),
        long(view.now.0),
        view.time.to_rfc3339_opts(SecondsFormat::Secs, true),
    ));
    if let (Err(why), false) = (assess::ready(view), view.stopping) {
        line(format!("<p>Not ready yet: {}.</p>", escaped(&why)));
    }
    degraded(&mut page, view);
    totals(&mut page, view);
    scrub(&mut page, view);
    workers(&mut page, view);
    partitions(&mut page, view);
    page.push_str("</body>\n</html>\n");
    page
}

fn degraded(page: &mut String, view: &ProcessView) {
    for one in assess::degraded(view) {
        let partitions: Vec<String> = one.partitions.iter().map(ToString::to_string).collect();
        let of = match partitions.as_slice() {
            [] => String::new(),
            [one] => format!(" (partition {one})"),
            several => format!(" (partitions {})", several.join(", ")),
        };
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            page,
            "<p class=\"trouble\"><b>{}</b>{of} for {}: {}</p>",
            one.reason.as_str(),
            long(one.since.age(view.now)),
            escaped(&one.detail),
        );
    }
    for (_, one) in assess::partitions(view) {
        if let PhaseView::Held(held) = &one.phase {
            let _ = writeln!(page, "<pre>{}</pre>", escaped(&held.explanation));
        }
    }
}

fn totals(page: &mut String, view: &ProcessView) {
    let sum = json::totals(view);
    let _ = writeln!(
        page,
        "<p>Since the start: {} results, {} rejects{}, {} replayed, {} corrections; {} commits, {} aborted; \
         {} snapshots of {} in all, {} attempts failed.</p>",
        grouped(sum.results),
        grouped(sum.rejects.total()),
        match sum.filtered {
            0 => String::new(),
            filtered => format!(", {} filtered", grouped(filtered)),
        },
        grouped(sum.replayed),
        grouped(sum.corrections),
        grouped(sum.commits),
        grouped(sum.aborts),
        grouped(sum.snapshots),
        size(sum.stored_bytes),
        grouped(view.snapshot_failures),
    );
    let removed = &view.removed;
    if removed.manifests + removed.segments > 0 {
        let _ = writeln!(
            page,
            "<p>Removed: {} old manifests and {} segments that nothing needs, {}.</p>",
            grouped(removed.manifests),
            grouped(removed.segments),
            size(removed.bytes),
        );
    }
    let rejects: Vec<String> = sum
        .rejects
        .iter()
        .map(|(code, count)| format!("{} {}", grouped(count), escaped(code)))
        .collect();
    if !rejects.is_empty() {
        let _ = writeln!(page, "<p>Rejects: {}.</p>", rejects.join(", "));
    }
}

/// So many findings are named.
const MOST_FINDINGS: usize = 20;

fn scrub(page: &mut String, view: &ProcessView) {
    let scrub = &view.scrub;
    if scrub.verified_since.is_empty() && scrub.findings.is_empty() {
        return;
    }
    let round = match scrub.full_round() {
        Some(round) => format!(
            "everything that is stored was verified within the last {}",
            long(Duration::from_secs(json::age(view, round)))
        ),
        None => "not everything that is stored was verified yet".to_owned(),
    };
    let _ = writeln!(
        page,
        "<p>Scrub: {} outcomes in {} segments ({}) verified again, {} ranges mended; {round}.</p>",
        grouped(scrub.rows),
        grouped(scrub.segments),
        size(scrub.bytes),
        grouped(scrub.mended),
    );
    for finding in scrub.findings.iter().take(MOST_FINDINGS) {
        let _ = writeln!(
            page,
            "<p class=\"trouble\"><b>{}</b> (partition {}): {}; {}</p>",
            finding.kind,
            finding.partition,
            escaped(&finding.detail),
            escaped(&finding.remedy),
        );
    }
}

fn workers(page: &mut String, view: &ProcessView) {
    page.push_str(
        "<table>\n<tr><th>worker</th><th>in memory</th><th>pauses above</th><th>last sign of life</th><th></th></tr>\n",
    );
    for (index, (shown, tick)) in view.workers.iter().zip(&view.ticks).enumerate() {
        let (held, limit) = shown
            .as_deref()
            .map_or((0, 0), |one| (one.held_bytes, one.limit_bytes));
        let tick = match tick {
            Some(tick) => format!("{} ago", long(tick.age(view.now))),
            None => "none yet".to_owned(),
        };
        let note = match shown.as_deref() {
            None => "starting".to_owned(),
            Some(one) if one.paused.is_some() => "paused".to_owned(),
            Some(one) if !one.joined => "waits for the group".to_owned(),
            Some(_) => String::new(),
        };
        let _ = writeln!(
            page,
            "<tr><td>{index}</td><td>{}</td><td>{}</td><td>{tick}</td><td>{note}</td></tr>",
            size(held),
            size(limit),
        );
    }
    page.push_str("</table>\n");
}

fn partitions(page: &mut String, view: &ProcessView) {
    page.push_str(
        "<table>\n<tr><th>partition</th><th>worker</th><th></th><th>stored up to</th><th>committed</th><th>processed</th>\
         <th>log end</th><th>lag</th><th>in memory</th><th>snapshot</th><th>manifest</th><th>corrections</th></tr>\n",
    );
    let offset = |offset: Option<Offset>| match offset {
        Some(offset) => grouped(offset.get().unsigned_abs()),
        None => "-".to_owned(),
    };
    for (worker, one) in assess::partitions(view) {
        let phase = assess::phase(&one.phase);
        let range = match &one.phase {
            PhaseView::Replaying(range) | PhaseView::AcceptingLoss(range) => format!(" {range}"),
            _ => String::new(),
        };
        let snapshot = match one.stored {
            Some(stored) => format!(
                "{} ago",
                long(Duration::from_secs(json::age(view, stored.at)))
            ),
            None => "-".to_owned(),
        };
        let manifest = one
            .stored
            .map_or("-".to_owned(), |stored| stored.sequence.to_string());
        let lag = assess::lag(one).map_or("-".to_owned(), grouped);
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{worker}</td><td class=\"{phase}\">{phase}{range}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{lag}</td><td>{} ({})</td><td>{snapshot}</td><td>{manifest}</td><td>{}</td></tr>",
            one.partition,
            offset(one.stored.map(|stored| stored.frontier)),
            offset(one.committed),
            offset(one.position),
            offset(one.log_end),
            size(one.buffered_bytes),
            grouped(one.buffered_outcomes),
            grouped(one.pending_corrections),
        );
    }
    page.push_str("</table>\n");
}

/// Whole seconds, with words.
fn long(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).to_string()
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        let table = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345_678, "12,345,678"),
        ];
        for (number, text) in table {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(
            escaped("<b a=\"'&'\">"),
            "&lt;b a=&quot;&#39;&amp;&#39;&quot;&gt;"
        );
    }
}
