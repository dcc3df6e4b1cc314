//! Stored history that no processor has made: for what would take one too long.

use snapback::calculation::Evaluator;
use snapback::format::{Accumulation, Edit, Identity, Layout, Manifest, Pipeline, Stamp, apply};
use snapback::history::Clock;
use snapback::model::{Offset, Partition};
use snapback::store::Store;

/// The chain of one partition of the topic `events`, from offset 0 on.
pub struct MadeHistory {
    store: Store,
    layout: Layout,
    identity: Identity,
    clock: Clock,
    manifest: Manifest,
}

impl MadeHistory {
    /// A chain that begins.
    pub async fn begin(
        store: &Store,
        evaluator: &Evaluator,
        partition: Partition,
        partitions: u32,
    ) -> MadeHistory {
        let (identity, clock) = (identity(evaluator, partition), Clock::system());
        let manifest = first_manifest(&identity, &clock, partitions);
        let made = MadeHistory {
            store: store.clone(),
            layout: Layout::new("events").expect("a topic"),
            identity,
            clock,
            manifest,
        };
        made.put().await;
        made
    }

    /// Stores what was accumulated; the bytes of its files.
    pub async fn append(&mut self, accumulation: Accumulation) -> u64 {
        let encoded = accumulation.close(&self.identity).expect("encodes");
        let (mut segments, mut bytes) = (Vec::new(), 0);
        for file in encoded.segments() {
            let segment = file.named(&self.layout, self.clock.segment_id());
            let put = self.store.put(&segment.path, file.bytes.clone());
            put.await.expect("a writable store");
            bytes += segment.bytes;
            segments.push(segment);
        }
        let edit = Edit::Append {
            range: encoded.range,
            segments,
            counts: encoded.counts,
            record: encoded.record.clone(),
        };
        let stamp = stamp(&self.identity, &self.clock);
        self.manifest = apply(Some(&self.manifest), edit, stamp).expect("an append");
        self.put().await;
        bytes
    }

    async fn put(&self) {
        let manifest = &self.manifest;
        let path = self.layout.manifest(manifest.partition, manifest.sequence);
        let put = self.store.put(&path, manifest.encode());
        put.await.expect("a writable store");
    }
}

/// Who makes a history of the topic `events`.
pub fn identity(evaluator: &Evaluator, partition: Partition) -> Identity {
    Identity {
        topic: "events".to_owned(),
        partition,
        declaration: evaluator.declaration(),
        writer: "made".to_owned(),
    }
}

/// The manifest of a chain that begins at offset 0, of a topic of so many partitions.
pub fn first_manifest(identity: &Identity, clock: &Clock, partitions: u32) -> Manifest {
    let pipeline = Pipeline {
        cluster_id: None,
        group: "recalc_group".to_owned(),
        events_topic: identity.topic.clone(),
        events_topic_id: None,
        events_partitions: Some(partitions),
        results_topic: "results".to_owned(),
        results_partitions: partitions,
    };
    let bind = Edit::Bind {
        pipeline,
        partition: identity.partition,
        origin: Offset::ZERO,
    };
    apply(None, bind, stamp(identity, clock)).expect("the first")
}

/// What a manifest says of its making.
pub fn stamp(identity: &Identity, clock: &Clock) -> Stamp {
    Stamp {
        writer: identity.writer.clone(),
        created_at: clock.now(),
        calculation: identity.declaration.clone(),
        known: Vec::new(),
        committed: None,
        skipped: Vec::new(),
    }
}
