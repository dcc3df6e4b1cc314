//! Which times of events the results topic takes, where results carry them (`--carry timestamp`). A message whose time is refused
//! would hold its partition, and one whose time is older than the topic keeps messages could be deleted at once: they go without.

use std::{
    ops::RangeInclusive,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::rules::Settings;
use crate::kafka::Admin;

/// So far apart a broker's clock and ours are taken to be at most, with the time that a message is on its way.
const APART: Duration = Duration::from_secs(60);

/// After a broker has refused a time, none is carried for so long: what it takes may not be known.
const PAUSE: Duration = Duration::from_secs(300);

/// What the topic takes; asked again when a broker refuses something.
pub(super) struct CarriedTimes {
    topic: String,
    /// `None` where no times are carried.
    bounds: Mutex<Option<Bounds>>,
    refused: Mutex<Option<Instant>>,
}

/// How far from its broker's clock the time of a message may be, in milliseconds; `None` for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    before: Option<u64>,
    after: Option<u64>,
}

impl CarriedTimes {
    /// Those of `topic`, which has these settings as far as its broker tells them, if times are `carried` at all.
    pub(super) fn of(topic: &str, settings: Option<&Settings>, carried: bool) -> CarriedTimes {
        let bounds = carried.then(|| settings.map_or(Bounds::USUAL, Bounds::of));
        CarriedTimes {
            topic: topic.to_owned(),
            bounds: Mutex::new(bounds),
            refused: Mutex::new(None),
        }
    }

    /// Asks again.
    pub(super) fn refresh(&self, admin: &Admin) {
        if self.bounds().is_some() {
            let asked = Bounds::ask(admin, &self.topic);
            *self.bounds.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
        }
    }

    /// Carries no time for a while, because a broker has refused one.
    pub(super) fn leave_out(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn pauses(&self) -> bool {
        let refused = *self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.is_some_and(|refused| refused.elapsed() < PAUSE)
    }

    /// The times, in milliseconds since 1970, that messages may have now.
    pub(super) fn now(&self) -> RangeInclusive<i64> {
        if self.pauses() {
            return RangeInclusive::new(1, 0);
        }
        let bounds = self.bounds().unwrap_or(Bounds::USUAL);
        bounds.at(chrono::Utc::now().timestamp_millis())
    }

    fn bounds(&self) -> Option<Bounds> {
        *self.bounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bounds {
    /// What brokers have by default.
    const USUAL: Bounds = Bounds {
        before: None,
        after: Some(3_600_000),
    };

    fn ask(admin: &Admin, topic: &str) -> Bounds {
        match Settings::ask(admin, topic) {
            Ok(settings) => Bounds::of(&settings),
            Err(error) => {
                tracing::debug!("{error}");
                Bounds::USUAL
            }
        }
    }

    fn of(settings: &Settings) -> Bounds {
        // What the broker replaces, it does not refuse.
        let is_replaced = settings.replaces_times();
        let oldest = [settings.before, settings.retention];
        Bounds {
            before: oldest.into_iter().flatten().min().filter(|_| !is_replaced),
            after: settings.after.filter(|_| !is_replaced),
        }
    }

    /// The times when this host's clock shows `now`, with room for the broker's clock and for the way there. A time of 0 is none
    /// to the client, and one before is none to most readers.
    fn at(self, now: i64) -> RangeInclusive<i64> {
        let apart = i64::try_from(APART.as_millis()).unwrap_or(i64::MAX);
        let room = |bound: u64| {
            i64::try_from(bound)
                .unwrap_or(i64::MAX)
                .saturating_sub(apart)
        };
        let first = self
            .before
            .map_or(1, |bound| now.saturating_sub(room(bound)).max(1));
        let last = self
            .after
            .map_or(i64::MAX, |bound| now.saturating_add(room(bound)));
        first..=last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const MINUTE: i64 = 60_000;

    #[test]
    fn a_time_is_taken_within_the_bounds_of_the_topic_less_what_clocks_are_apart() {
        let now = 1_700_000_000_000;
        let hour = Some(HOUR.unsigned_abs());
        for (before, after, taken, not_taken) in [
            (None, None, vec![1, now, i64::MAX], vec![0, -1, i64::MIN]),
            (
                None,
                hour,
                vec![1, now + HOUR - MINUTE],
                vec![now + HOUR - MINUTE + 1, i64::MAX],
            ),
            (
                hour,
                None,
                vec![now - HOUR + MINUTE, i64::MAX],
                vec![now - HOUR + MINUTE - 1, 1],
            ),
            (Some(u64::MAX), Some(u64::MAX), vec![1, i64::MAX], vec![0]),
            // Clocks are not known so well that anything could be carried.
            (Some(1000), Some(1000), vec![], vec![now - 1, now, now + 1]),
        ] {
            let range = Bounds { before, after }.at(now);
            assert!(taken.iter().all(|time| range.contains(time)), "{range:?}");
            assert!(
                !not_taken.iter().any(|time| range.contains(time)),
                "{range:?}"
            );
        }
    }

    #[test]
    fn a_topic_that_gives_its_own_time_refuses_none() {
        let settings = |timestamp_type: &str| Settings {
            timestamp_type: Some(timestamp_type.to_owned()),
            before: Some(1000),
            after: Some(1000),
            ..Settings::default()
        };
        let none = Bounds {
            before: None,
            after: None,
        };
        assert_eq!(Bounds::of(&settings("LogAppendTime")), none);
        assert_ne!(Bounds::of(&settings("CreateTime")), none);
    }

    #[test]
    fn a_time_older_than_the_topic_keeps_messages_is_not_carried() {
        let bounds = |before, retention| {
            let settings = Settings {
                before,
                retention,
                ..Settings::default()
            };
            Bounds::of(&settings).before
        };
        assert_eq!(bounds(None, Some(7)), Some(7));
        assert_eq!(bounds(Some(5), Some(7)), Some(5));
        assert_eq!(bounds(Some(9), Some(7)), Some(7));
        assert_eq!(bounds(None, None), None);
    }

    #[test]
    fn after_a_time_was_refused_none_is_carried_for_a_while() {
        let times = CarriedTimes {
            topic: "results".to_owned(),
            bounds: Mutex::new(Some(Bounds::USUAL)),
            refused: Mutex::new(None),
        };
        assert!(times.now().contains(&1));
        times.leave_out();
        assert!(times.now().is_empty());
    }
}
