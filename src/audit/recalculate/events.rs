//! The events of a range, read again from Kafka.

use std::{ops::ControlFlow, time::Duration};

use super::RecalculateError;
use crate::{
    kafka::{Batch, KafkaError, Reader},
    model::{OffsetRange, Partition},
    store::Throttle,
};

/// Where they are, and what they are needed for.
pub(super) struct Events {
    pub reader: Reader,
    pub needs: String,
    /// What is read is taken from it.
    pub throttle: Throttle,
}

impl Events {
    /// Hands the events of `range` to `each`, in order, until it fails. Kafka may say nothing for `patience`. Blocks.
    pub fn read(
        &self,
        partition: Partition,
        range: OffsetRange,
        patience: Duration,
        mut each: impl FnMut(&Batch) -> Result<(), RecalculateError>,
    ) -> Result<(), RecalculateError> {
        let mut failure = None;
        let read = self.reader.read(partition, range, patience, |batch| {
            failure = each(&batch).err();
            self.throttle.take_blocking(batch.bytes());
            match failure {
                None => ControlFlow::Continue(()),
                Some(_) => ControlFlow::Break(()),
            }
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        read.map_err(|error| match error {
            source @ KafkaError::OutOfRange { .. } => RecalculateError::NotInLog {
                needs: self.needs.clone(),
                range,
                source: Box::new(source),
            },
            source => RecalculateError::Events {
                needs: self.needs.clone(),
                source: Box::new(source),
            },
        })
    }

    /// Those of `range` are not those that have outcomes.
    pub fn are_others(&self, range: OffsetRange, detail: String) -> RecalculateError {
        RecalculateError::OtherEvents {
            needs: self.needs.clone(),
            range,
            detail,
        }
    }
}
