//! One keeper at a time for each partition of a process: the next waits until the one before has ended, or it would take that
//! one's files for left-overs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

use crate::model::Partition;

/// The right to work on a partition's chain, until it is dropped.
#[derive(Debug)]
pub struct Seat(#[expect(dead_code, reason = "it is there to be dropped")] OwnedMutexGuard<()>);

/// The seats of all partitions; shared by all workers.
#[derive(Debug, Default)]
pub struct Seats(Mutex<BTreeMap<Partition, Arc<tokio::sync::Mutex<()>>>>);

impl Seats {
    /// Waits until nobody has the partition's seat.
    pub async fn take(&self, partition: Partition) -> Seat {
        Seat(self.seat(partition).lock_owned().await)
    }

    /// The partition's seat, if nobody has it.
    pub fn take_free(&self, partition: Partition) -> Option<Seat> {
        self.seat(partition).try_lock_owned().ok().map(Seat)
    }

    fn seat(&self, partition: Partition) -> Arc<tokio::sync::Mutex<()>> {
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(seats.entry(partition).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_seat_is_free_when_the_one_before_has_ended() {
        let seats = Seats::default();
        let first = seats.take(Partition(1)).await;
        assert!(seats.take(Partition(2)).now_or_never().is_some());
        assert!(seats.take(Partition(1)).now_or_never().is_none());
        assert!(seats.take_free(Partition(1)).is_none());
        drop(first);
        assert!(seats.take_free(Partition(1)).is_some());
        assert!(seats.take(Partition(1)).now_or_never().is_some());
    }
}
