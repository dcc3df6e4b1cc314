//! Publishing corrections: from the store to the topics, some thousand rows in one transaction with the offsets.
//!
//! A correction has the source of what it corrects as its key, and a header with its revision; also where results have the keys of
//! their events (`--carry`): a null value under such a key would delete the result of another event on a compacted topic. An outcome that is a reject now takes the
//! published result back with a null value, and goes to the dead letters; one that is filtered now takes it back.

use super::{
    super::{WorkerError, partition::Owned},
    Worker,
    forward::PUBLISH_LIMIT,
};
use crate::{
    events::{MessageBuffer, ResultEncoder, source_key},
    failpoint::{self, Point},
    kafka::{PublishError, Record},
    model::Partition,
};

/// The header that tells a correction from a first publication; its value is the manifest's number.
const REVISION: &str = "snapback-revision";
impl Worker {
    /// Loads and sends what running partitions have in their outboxes, one partition at a time.
    pub(super) fn publish_corrections(&mut self) -> Result<(), WorkerError> {
        let busy = self.owned.values().any(|owned| owned.outbox.is_busy());
        let running = self.owned.values().filter(|owned| owned.is_running());
        let ready = running
            .clone()
            .find(|owned| owned.outbox.to_send().is_some());
        if let Some(partition) = ready.map(|owned| owned.partition) {
            return match self.send_corrections(partition)? {
                Ok(()) => Ok(()),
                Err(error) => self.recover_from(error, &[], None),
            };
        }
        if busy {
            return Ok(());
        }
        let running: Vec<Partition> = running.map(|owned| owned.partition).collect();
        for partition in running {
            let keeper = self.keepers.get(&partition);
            let next = |owned: &mut Owned| owned.outbox.start_loading();
            if let Some(keeper) = keeper
                && let Some(pending) = self.owned.get_mut(&partition).and_then(next)
            {
                keeper.load_corrections(pending);
                break;
            }
        }
        Ok(())
    }

    fn send_corrections(
        &mut self,
        partition: Partition,
    ) -> Result<Result<(), PublishError>, WorkerError> {
        if let Err(error) = self.begin_if_needed(partition) {
            return Ok(Err(error));
        }
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(Ok(()));
        };
        let Some(loaded) = owned.outbox.to_send() else {
            return Ok(Ok(()));
        };
        let pipeline = &self.shared.settings.pipeline;
        let encoder = ResultEncoder::new(&pipeline.events, loaded.rows.results.schema_ref())?
            .with_sources_as_keys();
        let mut messages = MessageBuffer::new();
        encoder.encode(partition, &loaded.rows.results, &mut messages)?;
        let revision = loaded.progress.sequence.to_string();
        let headers = [(REVISION, Some(revision.as_bytes()))];
        let results = (&pipeline.results, self.shared.results_partition(partition));
        let mut send = |record| {
            self.publisher.produce_with_headers(
                results.0,
                results.1,
                record,
                &headers,
                None,
                PUBLISH_LIMIT,
            )
        };
        let rejects = loaded.rows.rejects.iter().map(|reject| reject.offset);
        let offsets = rejects.chain(loaded.rows.filtered.iter().copied());
        let keys: Vec<String> = offsets
            .map(|offset| source_key(&pipeline.events, partition, offset))
            .collect();
        let taken_back = keys.iter().map(|key| Record {
            key: Some(key.as_bytes()),
            payload: None,
        });
        let sent = messages
            .iter()
            .map(Record::from)
            .chain(taken_back)
            .try_for_each(&mut send);
        if sent.is_err() {
            return Ok(sent);
        }
        let rejects = loaded.rows.rejects.clone();
        for reject in &rejects {
            let original = Some(vec![(
                REVISION.to_owned(),
                Some(revision.as_bytes().to_vec()),
            )]);
            if let Err(error) = self.publish_reject(partition, reject, original) {
                return Ok(Err(error));
            }
        }
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.outbox.mark_sent();
            failpoint::at(Point::CorrectionsSent);
        }
        Ok(Ok(()))
    }
}
