//! What an open transaction holds of a partition.

use crate::processor::watch::Tally;

/// Outcomes that are published, or count, when the open transaction is committed.
#[derive(Debug, Default)]
pub struct Sent {
    pub results: u64,
    pub filtered: u64,
    /// Those of both whose timestamp readers cannot show.
    pub raw_timestamps: u64,
    /// Results without the timestamp that they should carry, which their topic does not take.
    pub times_left_out: u64,
    /// By reason.
    pub rejects: Tally,
}

impl Sent {
    /// How many results and rejects.
    pub fn messages(&self) -> u64 {
        self.results + self.rejects.total()
    }
}
