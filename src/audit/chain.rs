//! The walk along a partition's chain: every retained manifest from the newest back, each compared with
//! the one that it was made from (I2). Numbers below the newest one's `oldest` are no part of the history, whatever lies
//! there.
//!
//! A manifest that was rewritten, with all its digests put right, still has to be what its base and its
//! edit give; so a segment is what the manifest says that first added it, or the chain is broken.

use std::sync::Arc;

use futures::{StreamExt as _, stream};

use super::{AuditError, Finding, FindingKind, instructions, succession::difference};
use crate::{
    format::{Layout, Manifest},
    history::{ChainError, Found, load_manifest},
    model::{Digest, Offset, OffsetRange, Partition, Sequence},
    store::Store,
};

/// Manifests on their way at a time.
const PREFETCH: usize = 4;

/// What a walk found.
pub(super) struct Walked {
    pub partition: Partition,
    /// The newest manifest that can be read.
    pub newest: Option<Arc<Manifest>>,
    pub findings: Vec<Finding>,
}

/// Numbers of the chain without a manifest that can be read.
struct Unreadable {
    first: Sequence,
    last: Sequence,
    state: State,
}

enum State {
    Missing,
    Damaged {
        digest: Option<Digest>,
        why: String,
    },
    /// It is there, and the store does not let it be read.
    Closed {
        why: String,
    },
}

enum Read {
    Good(Box<Manifest>),
    Bad(State),
}

struct Walk<'a> {
    store: &'a Store,
    layout: &'a Layout,
    walked: Walked,
    /// The good manifest above the place where the walk is.
    above: Option<Arc<Manifest>>,
    /// Whether the manifest after that one states its digest.
    is_vouched_for: bool,
    /// What could not be read between it and this place, in descending order.
    between: Vec<Unreadable>,
}

/// Walks the chain of `partition`, whose manifests have the numbers `present`.
pub(super) async fn walk(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    present: &[Sequence],
) -> Result<Walked, AuditError> {
    let mut walk = Walk {
        store,
        layout,
        walked: Walked {
            partition,
            newest: None,
            findings: Vec::new(),
        },
        above: None,
        is_vouched_for: false,
        between: Vec::new(),
    };
    let mut numbers = present.to_vec();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    numbers.dedup();
    let reads = numbers.into_iter().map(|sequence| async move {
        read(store, layout, partition, sequence)
            .await
            .map(|read| (sequence, read))
    });
    let mut reads = stream::iter(reads).buffered(PREFETCH);
    let mut below: Option<Sequence> = None;
    while let Some(read) = reads.next().await {
        let (sequence, read) = read?;
        if sequence < walk.oldest() {
            break;
        }
        walk.missing(sequence, below);
        below = Some(sequence);
        match read {
            Read::Good(manifest) => walk.good(Arc::new(*manifest)),
            Read::Bad(state) => walk.between.push(Unreadable {
                first: sequence,
                last: sequence,
                state,
            }),
        }
    }
    walk.missing(Sequence(walk.oldest().0 - 1), below);
    Ok(walk.close())
}

impl Walk<'_> {
    /// Where the history begins, as far as that is known.
    fn oldest(&self) -> Sequence {
        let newest = self.walked.newest.as_ref();
        newest.map_or(Sequence::FIRST, |newest| newest.oldest)
    }

    /// Notes the numbers between `sequence` and the one met before, none of which has a file.
    fn missing(&mut self, sequence: Sequence, before: Option<Sequence>) {
        if let Some(before) = before.filter(|before| before.0 > sequence.0 + 1) {
            self.between.push(Unreadable {
                first: sequence.next(),
                last: Sequence(before.0 - 1),
                state: State::Missing,
            });
        }
    }

    fn good(&mut self, manifest: Arc<Manifest>) {
        if let Some(above) = self.above.clone() {
            if above
                .base
                .as_ref()
                .is_some_and(|link| link.sequence < manifest.sequence)
            {
                // Not part of the chain: what follows was made from an older one. The walk goes on
                // with what was above.
                self.broken(
                    &above,
                    &manifest,
                    format!(
                        "manifest {} passes over manifest {}, which can be read",
                        above.sequence, manifest.sequence
                    ),
                );
                return;
            }
            self.flush(Some(&manifest));
            self.compare(&above, &manifest);
        } else {
            self.flush(Some(&manifest));
            self.walked.newest = Some(Arc::clone(&manifest));
        }
        self.above = Some(manifest);
    }

    fn compare(&mut self, above: &Manifest, manifest: &Manifest) {
        let Some(link) = above
            .base
            .as_ref()
            .filter(|link| link.sequence == manifest.sequence)
        else {
            // The base is one of those that cannot be read; that is reported already.
            self.is_vouched_for = false;
            return;
        };
        if link.digest != manifest.digest() {
            let detail = format!(
                "manifest {} was made from a manifest {} with the digest {}; the one that is there has {}",
                above.sequence,
                link.sequence,
                link.digest,
                manifest.digest()
            );
            self.broken(above, manifest, detail);
            // A manifest that its own successor vouches for was not rewritten: this one was.
            let newest = self.walked.newest.as_ref().map(|newest| newest.sequence);
            if Some(above.sequence) != newest && self.is_vouched_for {
                let last = self.walked.findings.pop();
                let older = self.locate(manifest.sequence);
                let last = last.map(|finding| Finding {
                    remedy: instructions::rewritten_manifest(&older, link.digest),
                    ..finding.about_manifest(manifest.sequence)
                });
                self.walked.findings.extend(last);
            }
            self.is_vouched_for = false;
            return;
        }
        self.is_vouched_for = true;
        if let Some(difference) = difference(manifest, above) {
            let detail = format!(
                "manifest {} is not manifest {} with its edit: {difference}",
                above.sequence, manifest.sequence
            );
            self.broken(above, manifest, detail);
        }
    }

    fn broken(&mut self, above: &Manifest, manifest: &Manifest, detail: String) {
        let base = above
            .base
            .as_ref()
            .filter(|link| link.sequence == manifest.sequence);
        let remedy = instructions::broken(
            &self.locate(above.sequence),
            &self.locate(manifest.sequence),
            base.map(|link| link.digest),
        );
        self.push(
            FindingKind::ChainBroken,
            between(manifest, above),
            detail,
            remedy,
        );
    }

    /// Reports what could not be read above `below`, the next manifest that can.
    fn flush(&mut self, below: Option<&Manifest>) {
        for unreadable in std::mem::take(&mut self.between) {
            self.unreadable(&unreadable, below);
        }
    }

    fn unreadable(&mut self, unreadable: &Unreadable, below: Option<&Manifest>) {
        let above = self.above.clone();
        let recorded = above.as_deref().filter(|above| records(above, unreadable));
        let location = self.locate(unreadable.first);
        let (range, remedy) = match (above.as_deref(), below) {
            (Some(above), _) if recorded.is_some() => (
                OffsetRange::empty(above.end),
                instructions::skipped(above.sequence),
            ),
            (Some(above), Some(below)) => (
                between(below, above),
                instructions::older_manifest(&location),
            ),
            (Some(above), None) => (
                OffsetRange::empty(above.origin),
                instructions::older_manifest(&location),
            ),
            (None, Some(below)) if matches!(unreadable.state, State::Closed { .. }) => (
                OffsetRange::empty(below.end),
                instructions::closed_manifest(&location),
            ),
            (None, Some(below)) => (
                OffsetRange::empty(below.end),
                instructions::newest_manifest(&location, below.end),
            ),
            (None, None) => (
                OffsetRange::empty(Offset::ZERO),
                instructions::no_manifest(&location),
            ),
        };
        let (kind, detail) = match &unreadable.state {
            State::Missing if unreadable.first == unreadable.last => (
                FindingKind::ManifestMissing,
                format!("there is no manifest {} ({location})", unreadable.first),
            ),
            State::Missing => (
                FindingKind::ManifestMissing,
                format!(
                    "there are no manifests {} to {}",
                    unreadable.first, unreadable.last
                ),
            ),
            State::Damaged { why, .. } | State::Closed { why } => (
                FindingKind::ManifestDamaged,
                format!(
                    "manifest {} ({location}) cannot be used: {why}",
                    unreadable.first
                ),
            ),
        };
        let finding = Finding::new(kind, self.walked.partition, range, detail, remedy);
        let finding = finding.about_manifest(unreadable.last);
        self.walked.findings.push(match recorded {
            Some(_) => finding.into_notice(),
            None => finding,
        });
    }

    fn close(mut self) -> Walked {
        self.flush(None);
        self.walked
    }

    fn push(&mut self, kind: FindingKind, range: OffsetRange, detail: String, remedy: String) {
        let finding = Finding::new(kind, self.walked.partition, range, detail, remedy);
        self.walked.findings.push(finding);
    }

    fn locate(&self, sequence: Sequence) -> String {
        self.store
            .locate(&self.layout.manifest(self.walked.partition, sequence))
    }
}

/// Whether `above` was made in the knowledge of exactly this damage.
fn records(above: &Manifest, unreadable: &Unreadable) -> bool {
    let digest = match &unreadable.state {
        State::Missing | State::Closed { .. } => None,
        State::Damaged { digest, .. } => *digest,
    };
    let Some(link) = &above.base else {
        return false;
    };
    let recorded = link.skipped.iter().filter(|damaged| {
        (unreadable.first..=unreadable.last).contains(&damaged.sequence) && damaged.digest == digest
    });
    recorded.count() as u64 == unreadable.last.0 - unreadable.first.0 + 1
}

/// The offsets by which the two manifests differ, as far as they are in order.
fn between(older: &Manifest, newer: &Manifest) -> OffsetRange {
    OffsetRange::new(older.end, newer.end).unwrap_or(OffsetRange::empty(newer.end))
}

async fn read(
    store: &Store,
    layout: &Layout,
    partition: Partition,
    sequence: Sequence,
) -> Result<Read, AuditError> {
    match load_manifest(store, layout, partition, sequence).await {
        Ok(Found::Good(manifest)) => Ok(Read::Good(manifest)),
        Ok(Found::Damaged { digest, detail }) => Ok(Read::Bad(State::Damaged {
            digest,
            why: detail,
        })),
        Ok(Found::Missing) => Ok(Read::Bad(State::Missing)),
        Err(ChainError::Store(error)) if error.concerns_the_object() => {
            let why = error.to_string();
            Ok(Read::Bad(State::Closed { why }))
        }
        Err(error) => Err(error.into()),
    }
}
