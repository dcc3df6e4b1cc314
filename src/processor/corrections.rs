//! Publishing corrections: from the store to the topics, some thousand rows in one transaction with the offsets.
//!
//! A correction has the key of what it corrects and a header with its revision. An outcome that is a reject now takes the
//! published result back with a null value, and goes to the dead letters.

use std::sync::Arc;

use super::{
    Context, WorkerError,
    backoff::Backoff,
    forward::PUBLISH_LIMIT,
    outbox::Loaded,
    partition::{Epoch, Phase},
    report::Report,
    view::Reason,
    worker::Worker,
};
use crate::{
    events::{MessageBuffer, ResultEncoder, source_key},
    failpoint::{self, Point},
    format::{SegmentError, read_segment, rows_size, split_corrections},
    history::{FetchError, PendingCorrections, fetch_segment},
    kafka::{PublishError, Record},
    model::Partition,
    recovery::Replay,
};

/// The header that tells a correction from a first publication; its value is the manifest's number.
const REVISION: &str = "snapback-revision";
/// The most corrections in one transaction.
const MOST_ROWS: usize = 50_000;
/// The most memory that they may take, in bytes, unless one row takes more.
const MOST_BYTES: usize = 8 << 20;

impl Worker {
    /// Loads and sends what running partitions have in their outboxes, one partition at a time.
    pub(super) fn publish_corrections(&mut self) -> Result<(), WorkerError> {
        let busy = self.owned.values().any(|owned| owned.outbox.is_busy());
        for partition in self.owned.keys().copied().collect::<Vec<_>>() {
            let Some(owned) = self.owned.get_mut(&partition) else {
                continue;
            };
            if !matches!(owned.phase, Phase::Running) {
                continue;
            }
            if owned.outbox.to_send().is_some() {
                return match self.send_corrections(partition)? {
                    Ok(()) => Ok(()),
                    Err(error) => self.mend(error, &[]),
                };
            }
            if busy {
                continue;
            }
            let epoch = owned.epoch;
            if let Some(pending) = owned.outbox.start_loading() {
                let context = Arc::clone(&self.context);
                let sender = self.sender.clone();
                self.context.runtime.spawn(async move {
                    if let Some(report) = load(context, pending, partition, epoch).await {
                        // A worker that has ended listens no more; the next start publishes them.
                        let _ = sender.send(report);
                    }
                });
                return Ok(());
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
        let pipeline = &self.context.settings.pipeline;
        let encoder = ResultEncoder::new(&pipeline.events, loaded.results.schema_ref())?;
        let mut messages = MessageBuffer::new();
        encoder.encode(partition, &loaded.results, &mut messages)?;
        let revision = loaded.progress.sequence.to_string();
        let headers = [(REVISION, Some(revision.as_bytes()))];
        let results = (&pipeline.results, self.context.results_partition(partition));
        let mut send = |record| {
            self.publisher.produce_with_headers(
                results.0,
                results.1,
                record,
                &headers,
                PUBLISH_LIMIT,
            )
        };
        let keys: Vec<String> = loaded
            .rejects
            .iter()
            .map(|reject| source_key(&pipeline.events, partition, reject.offset))
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
        let rejects = loaded.rejects.clone();
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

    /// Ends a replay under another calculation than the published one: its outcomes are stored, with corrections, before
    /// anything is committed under ours.
    pub(super) fn store_corrections(
        &mut self,
        partition: Partition,
        replay: &Replay,
        outcomes: u64,
    ) -> Result<(), WorkerError> {
        failpoint::at(Point::Recalculated);
        tracing::info!(
            "partition {partition}: calculated {} anew, {outcomes} outcomes; they are stored with corrections first",
            replay.range
        );
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.phase = Phase::Correcting;
            owned.fetching = false;
        }
        self.source.pause(&[partition])?;
        self.start_snapshot(partition);
        Ok(())
    }

    /// Goes on once what was calculated anew is stored: the facts now say so.
    pub(super) fn corrections_stored(&mut self, partition: Partition) -> Result<(), WorkerError> {
        let Some(owned) = self.owned.get(&partition) else {
            return Ok(());
        };
        if !matches!(owned.phase, Phase::Correcting) {
            return Ok(());
        }
        if owned.buffer.start() == owned.buffer.end() {
            failpoint::at(Point::CorrectionsStored);
            return self.regather(partition);
        }
        // A snapshot that was under way when the replay ended did not hold all of it.
        self.start_snapshot(partition);
        Ok(())
    }

    /// Takes in what [`load`] read.
    pub(super) fn corrections_loaded(
        &mut self,
        partition: Partition,
        epoch: Epoch,
        loaded: Option<Loaded>,
    ) {
        if self.is_current(partition, epoch)
            && let Some(owned) = self.owned.get_mut(&partition)
        {
            if loaded.is_some() {
                failpoint::at(Point::CorrectionsLoaded);
            }
            owned.outbox.finish_loading(loaded);
        }
    }
}

/// Why corrections cannot be read, ever.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Segment(#[from] SegmentError),
    #[error("reading it failed: {0}")]
    Panicked(#[from] tokio::task::JoinError),
    #[error("it ends before row {from}")]
    Short { from: u64 },
}

/// Reads the next corrections, waiting out a store that is away; `None` when the processor stops first.
async fn load(
    context: Arc<Context>,
    pending: PendingCorrections,
    partition: Partition,
    epoch: Epoch,
) -> Option<Report> {
    let mut backoff = Backoff::of_store();
    let trouble = context.board.trouble(&[partition]);
    let loaded = loop {
        let error = match read(&context, &pending).await {
            Ok(loaded) => break Some(loaded),
            Err(error) => error,
        };
        if !matches!(&error, LoadError::Fetch(FetchError::Store(_))) {
            tracing::error!(
                "partition {partition}: the corrections of revision {} cannot be published: {error}; bring the file back from a copy and start again",
                pending.sequence
            );
            break None;
        }
        trouble.is(Reason::Store, format!("corrections wait: {error}"));
        let pause = backoff.pause();
        tracing::warn!("corrections wait: {error}; trying again in {pause:.1?}");
        tokio::time::sleep(pause).await;
        if context.stop.is_requested() {
            return None;
        }
    };
    Some(Report::CorrectionsLoaded {
        partition,
        epoch,
        loaded: loaded.map(Box::new),
    })
}

async fn read(context: &Context, pending: &PendingCorrections) -> Result<Loaded, LoadError> {
    let (store, layout) = (&context.store, &context.gatherer.layout);
    let file = fetch_segment(store, layout, &pending.segment).await?;
    let pending = pending.clone();
    tokio::task::spawn_blocking(move || {
        let mut skip = pending.from;
        for batch in read_segment(file.bytes)? {
            let batch = batch?;
            let rows = batch.num_rows() as u64;
            if rows <= skip {
                skip -= rows;
                continue;
            }
            let from = usize::try_from(skip).unwrap_or(usize::MAX);
            let mut count = (batch.num_rows() - from).min(MOST_ROWS);
            let mut part = batch.slice(from, count);
            while count > 1 && rows_size(&part) > MOST_BYTES {
                count /= 2;
                part = batch.slice(from, count);
            }
            let (results, rejects) = split_corrections(&part)?;
            let progress = pending.published(count as u64);
            return Ok(Loaded {
                results,
                rejects,
                progress,
            });
        }
        Err(LoadError::Short { from: pending.from })
    })
    .await?
}
