//! What a repair says for people.

use super::{
    super::{out::shown, unread::unread_text},
    losses::{Losses, place},
    outcome::Outcome,
    rescue,
};
use crate::audit::{Finding, ManifestRemedy, RepairPlan, Source};

/// What was found, what becomes of it, and what was done.
pub(super) fn text(plan: &RepairPlan, losses: &Losses, outcome: &Outcome) -> String {
    let mut text = String::new();
    for mend in &plan.manifests {
        let how = match mend.remedy {
            ManifestRemedy::Retire { oldest } => {
                format!("the history begins with manifest {oldest}: nothing below is needed")
            }
            ManifestRemedy::Readopt => {
                "what they added is appended again from its segments, where these are whole"
                    .to_owned()
            }
        };
        text.push_str(&format!(
            "manifests of partition {}: {how}\n",
            mend.partition
        ));
        for finding in &mend.findings {
            text.push_str(&format!("  {}\n", shown(&what(finding))));
        }
    }
    for mend in &plan.mends {
        let is_lost = outcome.lost.iter().any(|lost| lost.is_of(mend));
        let from = match mend.source {
            Source::Kafka if is_lost => "not all of its events are in Kafka any more",
            Source::Attic => "put back from the attic",
            Source::StoredInputs => "calculated again from the stored inputs",
            Source::Events => "made again from its rows and the events in Kafka",
            Source::Kafka => "made again from the events in Kafka",
        };
        let (rescued, is_accepted) = (&outcome.rescued, losses.accepts(mend));
        let from = rescue::text(mend, rescued, is_accepted).unwrap_or_else(|| from.to_owned());
        let may_be_lost = is_accepted && rescue::may_be_lost(mend, rescued);
        let else_lost = match may_be_lost && !outcome.applied {
            true => "; what Kafka does not hold of them any more is recorded as lost",
            false => "",
        };
        text.push_str(&format!("{}: {from}{else_lost}\n", place(mend)));
        for finding in &mend.findings {
            text.push_str(&format!("  {}\n", shown(&what(finding))));
        }
    }
    for page in &plan.pages {
        let place = format!(
            "partition {}, offsets {}-{}",
            page.partition, page.start, page.end
        );
        text.push_str(&format!("{place}: a page is put together again\n"));
        text.push_str(&format!("  {}\n", shown(&what(page))));
    }
    text.push_str(&losses.text(&outcome.lost));
    for unread in &outcome.unread {
        text.push_str(&unread_text(unread));
    }
    for left in &outcome.left {
        text.push_str(&format!("not mended: {}\n", shown(left)));
    }
    let (ranges, pages) = (outcome.ranges, outcome.pages);
    let chains = match outcome.manifests {
        0 => String::new(),
        count => format!(", {count} chains of manifests"),
    };
    let concerned = ranges + outcome.manifests + outcome.left.len() + outcome.lost.len();
    if pages > 0 {
        text.push_str(&match outcome.applied {
            true => format!(
                "made {pages} pages again: run `snapback verify`, what they list was not verified\n"
            ),
            false => format!(
                "{pages} pages are to be made again first: what they list is not verified\n"
            ),
        });
    }
    text.push_str(&match (outcome.applied, concerned) {
        (_, 0) if pages > 0 => String::new(),
        (_, 0) => "nothing to mend\n".to_owned(),
        (false, _) => format!(
            "plan: {ranges} ranges{chains} can be mended, {} findings cannot; nothing was changed, --apply mends\n",
            outcome.left.len()
        ),
        (true, _) => format!(
            "mended {ranges} ranges{chains}, {}{} are not mended; {}\n",
            match outcome.lost.len() {
                0 => String::new(),
                count => format!("{count} are lost, "),
            },
            outcome.left.len(),
            match outcome.corrections {
                0 => "nothing has to be published again".to_owned(),
                count => format!(
                    "{count} corrections wait for the owners of their partitions: a running processor publishes them, else the next `snapback run`"
                ),
            }
        ),
    });
    text
}

/// A finding without what to do about it: that is being done.
fn what(finding: &Finding) -> String {
    format!("{}: {}", finding.kind, finding.detail)
}
