//! Which group of segments is verified next. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::super::groups::{Group, group};
use crate::format::{Listed, Verified};

/// What was found wrong, and stayed so, is looked at again sooner: somebody may have put it right.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This one.
    Verify(Group),
    /// None before this moment; `None` when nothing is stored.
    Rest(Option<DateTime<Utc>>),
}

/// The group that is due first: one that was never verified as soon as it was seen, the others `every` so often. Of those that
/// are due at once, the newest offsets go first: what was not verified at a start is among them. So what is new never keeps
/// what is old from its turn, nor the other way round.
pub(super) fn next(
    newest: &Listed,
    verified: &Verified,
    now: DateTime<Utc>,
    every: Duration,
) -> Next {
    let groups = group(newest.files(), true).into_iter();
    let due = groups.map(|group| {
        let segments = group.segments.iter();
        let due = segments.map(|segment| {
            let entry = verified.get(segment)?;
            let Some(at) = entry.verified.filter(|at| *at <= now) else {
                return Some(entry.seen.min(now));
            };
            let pause = match entry.findings {
                0 => every,
                _ => every.min(LOOK_AGAIN),
            };
            Some(at + pause)
        });
        // What nobody has seen is due.
        let due = due.map(|due| due.unwrap_or(DateTime::UNIX_EPOCH)).min();
        (
            due.unwrap_or(now),
            std::cmp::Reverse(group.range.end()),
            group,
        )
    });
    match due.min_by_key(|(due, newest_first, _)| (*due, *newest_first)) {
        Some((due, _, group)) if due <= now => Next::Verify(group),
        Some((due, ..)) => Next::Rest(Some(due)),
        None => Next::Rest(None),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::audit::tests::fixture::{newest, sample};

    const HOUR: Duration = Duration::from_secs(3600);

    fn start(next: Next) -> i64 {
        match next {
            Next::Verify(group) => group.range.start().get(),
            Next::Rest(until) => panic!("rests until {until:?}"),
        }
    }

    #[tokio::test]
    async fn what_is_due_first_goes_first_and_what_is_new_at_once() {
        let newest = Listed::open_list_of(&newest(&sample().await, 0).await);
        let (begin, second) = (Utc::now(), TimeDelta::seconds(1));
        let mut verified = Verified::default();
        verified.follow(&newest, begin);
        let mut order = Vec::new();
        for turn in 0..6 {
            let now = begin + second * turn;
            let chosen = next(&newest, &verified, now, HOUR);
            if let Next::Rest(until) = chosen {
                assert_eq!(until, Some(begin + HOUR));
                break;
            }
            let Next::Verify(group) = chosen else {
                unreachable!()
            };
            assert_eq!(group.segments.len(), 2, "results and rejects together");
            order.push(group.range.start().get());
            verified.mark(&group.segments, now, 0);
        }
        assert_eq!(order, [300, 200, 100]);
        assert_eq!(verified.since(&newest), Some(begin));
        // An hour later in the same order, however often that is.
        let later = begin + HOUR + second * 10;
        assert_eq!(start(next(&newest, &verified, later, HOUR)), 300);
        // A clock that went back: nothing was verified in the future.
        let before = begin - second;
        assert_eq!(start(next(&newest, &verified, before, HOUR)), 300);
    }

    #[tokio::test]
    async fn what_stays_wrong_is_looked_at_again_sooner() {
        let newest = Listed::open_list_of(&newest(&sample().await, 0).await);
        let now = Utc::now();
        let mut verified = Verified::default();
        verified.follow(&newest, now);
        verified.mark(&newest.open.segments, now, 0);
        let wrong: Vec<_> = newest.open.segments[..1].to_vec();
        verified.mark(&wrong, now, 1);
        let rests = next(&newest, &verified, now, HOUR);
        assert_eq!(rests, Next::Rest(Some(now + LOOK_AGAIN)));
        assert_eq!(start(next(&newest, &verified, now + LOOK_AGAIN, HOUR)), 100);
    }
}
