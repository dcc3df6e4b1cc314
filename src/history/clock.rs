//! The seam through which time and random names come in, so that a test can fix them.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU32, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::format::SegmentId;

/// Time and random segment ids.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Manual(Arc<Hands>),
}

#[derive(Debug)]
struct Hands {
    millis: AtomicI64,
    next_id: AtomicU32,
}

impl Clock {
    /// The system's time, and ids from its random numbers.
    #[must_use]
    pub fn system() -> Clock {
        Clock(Kind::System)
    }

    /// A clock that stands at `now` until it is moved, and ids that count up from `first_id`: for tests and
    /// reproducible files. Clones share their hands.
    #[must_use]
    pub fn manual(now: DateTime<Utc>, first_id: u32) -> Clock {
        Clock(Kind::Manual(Arc::new(Hands {
            millis: AtomicI64::new(now.timestamp_millis()),
            next_id: AtomicU32::new(first_id),
        })))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Kind::System => Utc::now(),
            Kind::Manual(hands) => {
                DateTime::from_timestamp_millis(hands.millis.load(Ordering::SeqCst))
                    .unwrap_or_default()
            }
        }
    }

    /// A new id for a segment.
    #[must_use]
    pub fn segment_id(&self) -> SegmentId {
        SegmentId(match &self.0 {
            Kind::System => rand::random(),
            Kind::Manual(hands) => hands.next_id.fetch_add(1, Ordering::SeqCst),
        })
    }

    /// Moves a manual clock; the system's stays as it is.
    pub fn advance(&self, by: TimeDelta) {
        if let Kind::Manual(hands) = &self.0 {
            hands
                .millis
                .fetch_add(by.num_milliseconds(), Ordering::SeqCst);
        }
    }
}
