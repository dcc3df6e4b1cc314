//! What the model asks the product: `plan`, `apply`, the commit metadata. Every answer is computed once and kept, so that a
//! state needs only numbers.

use std::{collections::HashMap, rc::Rc};

use chrono::DateTime;
use snapback::{
    format::{
        Damaged, Edit, GapReason, Layout, Manifest, Segment, SegmentId, SegmentKind, Stamp, apply,
    },
    history::{are_live, next_corrections},
    model::{Counts, Digest, OffsetRange, Sequence},
    recovery::{self, Authored, CommitMetadata, Committed, Head, Settled},
};

use super::{
    planning::{Planned, Question},
    rules::{Config, Rule},
    state::{BundleId, CommitId, MAX, ManifestId, Progress, Span},
    values::{PARTITION, at, byte, fingerprint, pipeline, progress, range, version},
};

/// The files of one attempt to store outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bundle {
    pub span: Span,
    /// The offsets with an outcome.
    pub rows: u8,
    pub version: u8,
    pub writer: u8,
    /// The version, plus one, that its rows replace: it comes with corrections.
    pub replaces: u8,
    /// Of a repair: what it was made of.
    pub input: BundleId,
    /// Tells attempts apart.
    pub tag: u8,
}

/// An edit by its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    Bind { origin: u8 },
    Append { bundle: BundleId },
    Repair { bundle: BundleId },
    Loss { span: Span, reason: u8 },
}

/// A manifest and what follows from it.
pub struct Entry {
    pub real: Manifest,
    pub number: u8,
    pub base: ManifestId,
    pub origin: u8,
    pub end: u8,
    /// The offsets with an outcome, and the version of each.
    pub rows: u8,
    pub versions: [u8; MAX as usize],
    pub lost: u8,
    pub bundles: Vec<BundleId>,
}

/// A commit as the group holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Commit {
    /// By a foreign tool; `kept` is our commit whose text it left in place.
    Foreign { offset: u8, kept: CommitId },
    Ours {
        offset: u8,
        writer: u8,
        version: u8,
        head: ManifestId,
        outcomes: u8,
        lost: u8,
        corrections: Progress,
    },
}

/// Corrections to be published: a revision, and one row of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    pub revision: u8,
    pub offset: u8,
    pub version: u8,
    pub done: Progress,
}

/// See the module.
pub struct Product {
    pub config: Config,
    manifests: Vec<Entry>,
    applied: HashMap<(ManifestId, Change, u8, u8), Option<ManifestId>>,
    pub commits: Vec<(Commit, Committed)>,
    commit_ids: HashMap<Commit, CommitId>,
    bundles: Vec<Bundle>,
    bundle_ids: HashMap<Bundle, BundleId>,
    pub plans: HashMap<Question, Rc<Planned>>,
}

impl Product {
    pub fn new(config: &Config) -> Product {
        Product {
            config: config.clone(),
            manifests: Vec::new(),
            applied: HashMap::new(),
            commits: Vec::new(),
            commit_ids: HashMap::new(),
            bundles: Vec::new(),
            bundle_ids: HashMap::new(),
            plans: HashMap::new(),
        }
    }

    pub fn manifest(&self, id: ManifestId) -> Option<&Entry> {
        self.manifests.get((id as usize).checked_sub(1)?)
    }

    pub fn bundle(&self, id: BundleId) -> Bundle {
        self.bundles[id as usize - 1]
    }

    pub fn bundle_id(&mut self, bundle: Bundle) -> BundleId {
        let bundles = &mut self.bundles;
        *self.bundle_ids.entry(bundle).or_insert_with(|| {
            bundles.push(bundle);
            bundles.len() as BundleId
        })
    }

    pub fn commit(&self, id: CommitId) -> Option<Commit> {
        Some(self.commits.get((id as usize).checked_sub(1)?)?.0)
    }

    /// The committed offset; 0 without a commit.
    pub fn offset(&self, id: CommitId) -> u8 {
        match self.commit(id) {
            Some(Commit::Foreign { offset, .. } | Commit::Ours { offset, .. }) => offset,
            None => 0,
        }
    }

    pub fn commit_id(&mut self, commit: Commit) -> CommitId {
        if let Some(id) = self.commit_ids.get(&commit) {
            return *id;
        }
        let text = self.text(commit);
        let offset = match commit {
            Commit::Foreign { offset, .. } | Commit::Ours { offset, .. } => at(offset),
        };
        let authored = CommitMetadata::parse(text.as_deref(), offset);
        let stranger = matches!(commit, Commit::Foreign { .. });
        assert_eq!(stranger, authored == Authored::Stranger, "{text:?}");
        self.commits.push((commit, Committed { offset, authored }));
        let id = self.commits.len() as CommitId;
        self.commit_ids.insert(commit, id);
        id
    }

    fn text(&self, commit: Commit) -> Option<String> {
        let metadata = match commit {
            Commit::Foreign { kept, .. } => return self.text(self.commit(kept)?),
            Commit::Ours {
                offset,
                writer,
                version,
                head,
                outcomes,
                lost,
                corrections,
            } => CommitMetadata {
                by: format!("snapback 0.1.0 {writer}/0"),
                offset: at(offset),
                calculation: None,
                fields: None,
                fingerprint: fingerprint(version),
                head: self.head(head),
                outcomes: outcomes.into(),
                lost: lost.into(),
                corrections: progress(corrections),
            },
        };
        Some(metadata.encode())
    }

    /// Without a manifest (only with [`Rule::BindFirst`] off): of one that does not exist.
    pub fn head(&self, id: ManifestId) -> Head {
        let head = self.manifest(id).map(|entry| entry.real.head());
        let (sequence, digest) = head.unwrap_or((Sequence::FIRST, Digest::of(b"none")));
        Head { sequence, digest }
    }

    /// The manifest that follows `base` by `change`, when there is one.
    pub fn apply(
        &mut self,
        base: ManifestId,
        change: Change,
        writer: u8,
        skip: u8,
    ) -> Option<ManifestId> {
        let key = (base, change, writer, skip);
        if let Some(known) = self.applied.get(&key) {
            return *known;
        }
        let entry = self.make(base, change, writer, skip);
        let id = entry.map(|entry| {
            self.manifests.push(entry);
            self.manifests.len() as ManifestId
        });
        self.applied.insert(key, id);
        id
    }

    fn make(&self, base: ManifestId, change: Change, writer: u8, skip: u8) -> Option<Entry> {
        let before = self.manifest(base);
        let stamp = Stamp {
            writer: format!("host-{writer}"),
            created_at: DateTime::UNIX_EPOCH,
            calculation: "square(number)".to_owned(),
            fields: "number BIGINT NOT NULL".to_owned(),
            skipped: (skip != 0)
                .then_some(Damaged {
                    sequence: Sequence(skip.into()),
                    digest: None,
                })
                .into_iter()
                .collect(),
        };
        let edit = match change {
            Change::Bind { origin } => Edit::Bind {
                pipeline: pipeline(),
                partition: PARTITION,
                origin: at(origin),
            },
            Change::Append { bundle } => self.append(self.bundle(bundle), bundle),
            Change::Repair { bundle } => self.repair(&before?.real, bundle),
            Change::Loss { span, reason } => Edit::AcceptLoss {
                range: range(span),
                reason: [GapReason::Expired, GapReason::Foreign, GapReason::Compacted]
                    [reason as usize],
            },
        };
        let real = apply(before.map(|entry| &entry.real), edit, stamp).ok()?;
        let real = match change {
            Change::Repair { bundle } if !self.config.on(Rule::KeepCorrections) => {
                without_older_corrections(real, range(self.bundle(bundle).span))
            }
            _ => real,
        };
        // The stored form is read by whoever comes next.
        assert_eq!(Manifest::decode(&real.encode()).as_ref().ok(), Some(&real));
        let mut entry = Entry {
            number: real.sequence.0 as u8,
            base,
            origin: real.origin.get() as u8,
            end: real.end.get() as u8,
            rows: before.map_or(0, |entry| entry.rows),
            versions: before.map_or([0; MAX as usize], |entry| entry.versions),
            lost: before.map_or(0, |entry| entry.lost),
            bundles: before.map_or_else(Vec::new, |entry| entry.bundles.clone()),
            real,
        };
        match change {
            Change::Bind { .. } => {}
            Change::Loss { span, .. } => entry.lost |= span.mask(),
            Change::Append { bundle } | Change::Repair { bundle } => {
                let span = self.bundle(bundle).span;
                entry
                    .bundles
                    .retain(|other| self.bundle(*other).span != span);
                entry.bundles.push(bundle);
                let bundle = self.bundle(bundle);
                entry.rows |= bundle.rows;
                for offset in (0..MAX).filter(|offset| bundle.rows & 1 << offset != 0) {
                    entry.versions[offset as usize] = bundle.version;
                }
            }
        }
        Some(entry)
    }

    fn append(&self, bundle: Bundle, id: BundleId) -> Edit {
        let range = range(bundle.span);
        let segments = self.segments(bundle, id);
        let rows = |kind| {
            let of_kind = segments.iter().filter(|segment| segment.kind == kind);
            of_kind.map(|segment| segment.rows).sum()
        };
        let (results, rejects) = (rows(SegmentKind::Results), rows(SegmentKind::Rejects));
        Edit::Append {
            range,
            counts: Counts {
                results,
                rejects,
                absent: range.len() - results - rejects,
                lost: 0,
            },
            segments,
        }
    }

    fn repair(&self, base: &Manifest, id: BundleId) -> Edit {
        let bundle = self.bundle(id);
        let range = range(bundle.span);
        let outcomes = |segment: &Segment| segment.kind != SegmentKind::Corrections;
        let mut replaced = self.segments(self.bundle(bundle.input), bundle.input);
        if !self.config.on(Rule::InputsLive) {
            // Whatever is there.
            replaced = base.segments.clone();
            replaced.retain(|segment| segment.range == range);
        }
        replaced.retain(outcomes);
        Edit::Repair {
            range,
            replaced,
            segments: self.segments(bundle, id),
        }
    }

    /// Whether what a repair was made of is live.
    pub fn is_live(&self, input: BundleId, view: ManifestId) -> bool {
        let mut inputs = self.segments(self.bundle(input), input);
        inputs.retain(|segment| segment.kind != SegmentKind::Corrections);
        self.manifest(view)
            .is_some_and(|entry| are_live(&inputs, &entry.real.segments))
    }

    /// The offsets that are corrected by a bundle.
    fn corrected(&self, bundle: Bundle) -> u8 {
        let before = match bundle.replaces {
            0 => return 0,
            version => version - 1,
        };
        if bundle.input == 0 {
            // What was published is not known.
            return bundle.rows;
        }
        let changed = self.config.changed(bundle.rows, before, bundle.version);
        match self.config.on(Rule::CorrectEveryChange) {
            true => changed,
            // All but the first.
            false => changed & changed.wrapping_sub(1),
        }
    }

    fn segments(&self, bundle: Bundle, id: BundleId) -> Vec<Segment> {
        let range = range(bundle.span);
        let results = u64::from((bundle.rows & self.config.results(bundle.version)).count_ones());
        let rejects = u64::from(bundle.rows.count_ones()) - results;
        let corrections = u64::from(self.corrected(bundle).count_ones());
        let layout = Layout::new("events").expect("a topic's name");
        let segment = |kind, rows| Segment {
            path: layout.segment(kind, PARTITION, range, SegmentId(id.into())),
            kind,
            range,
            rows,
            bytes: 100,
            digest: Digest::of(&[bundle.rows, bundle.version, id as u8]),
            fingerprint: fingerprint(bundle.version),
            revision: None,
        };
        [
            (SegmentKind::Results, results),
            (SegmentKind::Rejects, rejects),
            (SegmentKind::Corrections, corrections),
        ]
        .into_iter()
        .filter(|(_, rows)| *rows > 0)
        .map(|(kind, rows)| segment(kind, rows))
        .collect()
    }

    /// Offset and progress when what the group has is ours, after a commit that was not answered.
    pub fn settle(&self, before: u8, sent: CommitId, found: CommitId) -> Option<(u8, Progress)> {
        let committed = |id: CommitId| Some(&self.commits.get((id as usize).checked_sub(1)?)?.1);
        match recovery::settle(at(before), committed(sent), committed(found)) {
            Settled::Another => None,
            Settled::At {
                offset,
                corrections,
            } => {
                let progress = corrections.map(|done| Progress {
                    revision: done.sequence.0 as u8,
                    rows: done.rows as u8,
                });
                Some((byte(offset), progress.unwrap_or_default()))
            }
        }
    }

    /// What the outbox publishes next, by a manifest and what was published: one row at a time.
    pub fn correction(&self, view: ManifestId, done: Progress) -> Option<Correction> {
        let entry = self.manifest(view)?;
        let listed = &entry.real.segments;
        let next = match self.config.on(Rule::CorrectionsInOrder) {
            true => next_corrections(listed, progress(done)),
            // The newest first.
            false => listed
                .iter()
                .rev()
                .find_map(|segment| next_corrections([segment], progress(done))),
        }?;
        let layout = Layout::new("events").expect("a topic's name");
        let name = layout.parse_segment(&next.segment.path)?;
        let corrected = self.corrected(self.bundle(name.id.0 as BundleId));
        let mut rows = (0..MAX).filter(|offset| corrected >> offset & 1 != 0);
        let published = next.published(1);
        let offset = rows.nth(next.from as usize)?;
        Some(Correction {
            revision: next.sequence.0 as u8,
            offset,
            version: version(&next.segment.fingerprint),
            done: Progress {
                revision: published.sequence.0 as u8,
                rows: published.rows as u8,
            },
        })
    }
}

/// A chain that forgets the corrections that an earlier manifest brought for a range.
fn without_older_corrections(mut manifest: Manifest, range: OffsetRange) -> Manifest {
    let newest = Some(manifest.sequence);
    let forgotten = |segment: &Segment| {
        segment.kind == SegmentKind::Corrections
            && segment.range == range
            && segment.revision != newest
    };
    manifest.segments.retain(|segment| !forgotten(segment));
    Manifest::decode(&manifest.encode()).expect("a manifest without them is one, too")
}
