//! Which group of segments is verified next. Pure.

use std::{cmp::Reverse, collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};

use super::super::groups::{Group, group};
use crate::{
    format::{LastVerified, Layout, Manifest, Page, PageLink, Verified},
    model::{Digest, Offset},
};

/// What was found wrong, and stayed so, is looked at again sooner: somebody may have put it right.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This one.
    Verify(Group),
    /// One of this page.
    Open(PageLink),
    /// None before this moment; `None` when nothing is stored.
    Rest(Option<DateTime<Utc>>),
}

/// What is known of the chain.
#[derive(Clone, Copy)]
pub(super) struct Known<'k> {
    pub newest: &'k Manifest,
    /// Pages that cannot be read now.
    pub unread: &'k BTreeSet<Digest>,
    pub verified: &'k Verified,
    pub now: DateTime<Utc>,
    pub every: Duration,
}

/// When something is due, and where it ends: of what is due at once, the newest offsets go first.
type Turn = (DateTime<Utc>, Reverse<Offset>);

/// The group or the page that is due first: one that was never verified as soon as it was seen, the others `every` so often. Of those that
/// are due at once, the newest offsets go first: what was not verified at a start is among them. So what is new never keeps
/// what is old from its turn, nor the other way round.
pub(super) fn next(known: Known<'_>) -> Next {
    let Known { newest, now, .. } = known;
    let groups = group(newest.open.files(), true).into_iter();
    let group = groups
        .map(|group| (known.turn(&group), group))
        .min_by_key(|(turn, _)| *turn);
    let layout = Layout::new(&newest.pipeline.events_topic).ok();
    let pages = newest.pages.iter();
    let pages = pages.filter(|page| page.files > 0 && !known.unread.contains(&page.digest));
    let page = pages
        .map(|page| (known.page_turn(layout.as_ref(), page), page))
        .min_by_key(|(turn, _)| *turn);
    let turns = [
        group.as_ref().map(|(turn, _)| *turn),
        page.as_ref().map(|(turn, _)| *turn),
    ];
    let Some(first) = turns.into_iter().flatten().min() else {
        return Next::Rest(None);
    };
    if first.0 > now {
        return Next::Rest(Some(first.0));
    }
    match (group, page) {
        (_, Some((turn, page))) if turn == first => Next::Open(page.clone()),
        (Some((_, group)), _) => Next::Verify(group),
        _ => Next::Rest(Some(first.0)),
    }
}

/// The group of a page that is due first; `None` when none is. Those of a page whose turn it is are verified once each.
pub(super) fn next_of(known: Known<'_>, page: &Page, is_its_turn: bool) -> Option<Group> {
    let Known { verified, now, .. } = known;
    let is_due = |group: &Group| {
        let mut segments = group.segments.iter();
        segments.any(|segment| {
            let found = verified.get(segment).map(|entry| known.due(Some(entry)));
            found.is_some_and(|due| due <= now) || is_its_turn && !verified.is_done(segment)
        })
    };
    let groups = group(page.files(), true).into_iter().filter(is_due);
    groups.min_by_key(|group| Reverse(group.range.end()))
}

/// Whether it is the turn of a page, of all that it lists.
pub(super) fn is_turn(known: Known<'_>, page: &PageLink) -> bool {
    known.own_due(page) <= known.now
}

impl Known<'_> {
    fn turn(&self, group: &Group) -> Turn {
        let segments = group.segments.iter();
        let due = segments
            .map(|segment| self.due(self.verified.get(segment)))
            .min();
        (due.unwrap_or(self.now), Reverse(group.range.end()))
    }

    /// What nobody has seen is due.
    fn due(&self, entry: Option<&LastVerified>) -> DateTime<Utc> {
        let Some(entry) = entry else {
            return DateTime::UNIX_EPOCH;
        };
        let Some(at) = entry.verified.filter(|at| *at <= self.now) else {
            return entry.seen.min(self.now);
        };
        at + match entry.findings {
            0 => self.every,
            _ => self.every.min(LOOK_AGAIN),
        }
    }

    fn page_turn(&self, layout: Option<&Layout>, page: &PageLink) -> Turn {
        let found = layout
            .into_iter()
            .flat_map(|layout| self.verified.found_in(layout, page.range));
        let found = found.map(|entry| self.due(Some(entry)));
        let due = found.chain([self.own_due(page)]).min();
        (due.unwrap_or(self.now), Reverse(page.range.end()))
    }

    fn own_due(&self, page: &PageLink) -> DateTime<Utc> {
        let Some((seen, verified)) = self.verified.of_page(page) else {
            return DateTime::UNIX_EPOCH;
        };
        match verified.filter(|at| *at <= self.now) {
            Some(at) => at + self.every,
            None => seen.min(self.now),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::audit::tests::fixture::{newest, sample};

    const HOUR: Duration = Duration::from_secs(3600);

    fn chosen(newest: &Manifest, verified: &Verified, now: DateTime<Utc>) -> Next {
        next(Known {
            newest,
            unread: &BTreeSet::new(),
            verified,
            now,
            every: HOUR,
        })
    }

    fn start(next: Next) -> i64 {
        match next {
            Next::Verify(group) => group.range.start().get(),
            Next::Open(page) => panic!("opens {page:?}"),
            Next::Rest(until) => panic!("rests until {until:?}"),
        }
    }

    #[tokio::test]
    async fn what_is_due_first_goes_first_and_what_is_new_at_once() {
        let newest = newest(&sample().await, 0).await;
        let (begin, second) = (Utc::now(), TimeDelta::seconds(1));
        let mut verified = Verified::default();
        verified.follow(&newest, begin);
        let mut order = Vec::new();
        for turn in 0..6 {
            let now = begin + second * turn;
            let chosen = chosen(&newest, &verified, now);
            if let Next::Rest(until) = chosen {
                assert_eq!(until, Some(begin + HOUR));
                break;
            }
            let Next::Verify(group) = chosen else {
                unreachable!()
            };
            assert_eq!(group.segments.len(), 2, "results and rejects together");
            order.push(group.range.start().get());
            verified.mark(&group.segments, None, now, 0);
        }
        assert_eq!(order, [300, 200, 100]);
        assert_eq!(verified.since(&newest), Some(begin));
        // An hour later in the same order, however often that is.
        let later = begin + HOUR + second * 10;
        assert_eq!(start(chosen(&newest, &verified, later)), 300);
        // A clock that went back: nothing was verified in the future.
        let before = begin - second;
        assert_eq!(start(chosen(&newest, &verified, before)), 300);
    }

    #[tokio::test]
    async fn what_stays_wrong_is_looked_at_again_sooner() {
        let newest = newest(&sample().await, 0).await;
        let now = Utc::now();
        let mut verified = Verified::default();
        verified.follow(&newest, now);
        verified.mark(&newest.open.segments, None, now, 0);
        let wrong: Vec<_> = newest.open.segments[..1].to_vec();
        verified.mark(&wrong, None, now, 1);
        let rests = chosen(&newest, &verified, now);
        assert_eq!(rests, Next::Rest(Some(now + LOOK_AGAIN)));
        assert_eq!(start(chosen(&newest, &verified, now + LOOK_AGAIN)), 100);
    }
}
