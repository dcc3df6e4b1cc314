//! Manifests: what `apply` makes of an edit.

use super::*;

impl Product {
    pub(super) fn make(
        &self,
        base: ManifestId,
        change: Change,
        writer: u8,
        skip: u8,
    ) -> Option<Entry> {
        let before = self.manifest(base);
        let stamp = Stamp {
            writer: format!("host-{writer}"),
            created_at: DateTime::UNIX_EPOCH,
            calculation: declaration(match change {
                Change::Append { bundle } | Change::Repair { bundle } => {
                    self.bundle(bundle).version
                }
                Change::Bind { .. } | Change::Loss { .. } => 0,
            }),
            known: Vec::new(),
            committed: None,
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
        let record = record(bundle, range);
        Edit::Append {
            range,
            record,
            counts: Counts {
                results,
                rejects,
                filtered: 0,
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
            replaced = base.open.segments.clone();
            replaced.retain(|segment| segment.range == range);
        }
        replaced.retain(outcomes);
        Edit::Repair {
            range,
            replaced,
            segments: self.segments(bundle, id),
            record: record(bundle, range),
        }
    }

    /// Whether what a repair was made of is live.
    pub fn is_live(&self, input: BundleId, view: ManifestId) -> bool {
        let mut inputs = self.segments(self.bundle(input), input);
        inputs.retain(|segment| segment.kind != SegmentKind::Corrections);
        self.manifest(view)
            .is_some_and(|entry| are_live(&inputs, &entry.real.open.segments))
    }

    /// The offsets that are corrected by a bundle.
    pub(super) fn corrected(&self, bundle: Bundle) -> u8 {
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
            rowless: match kind {
                SegmentKind::Corrections => Rowless::default(),
                _ => Rowless {
                    absent: range.len() - results - rejects,
                    filtered: 0,
                },
            },
            bytes: 100,
            digest: Digest::of(&[bundle.rows, bundle.version, id as u8]),
            fingerprint: fingerprint(bundle.version),
            not_known: None,
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
}

/// A chain that forgets the corrections that an earlier manifest brought for a range.
fn without_older_corrections(mut manifest: Manifest, range: OffsetRange) -> Manifest {
    let newest = Some(manifest.sequence);
    let forgotten = |segment: &Segment| {
        segment.kind == SegmentKind::Corrections
            && segment.range == range
            && segment.revision != newest
    };
    manifest
        .open
        .corrections
        .retain(|segment| !forgotten(segment));
    let live = manifest.open.files().map(|segment| &segment.fingerprint);
    let live: Vec<_> = live.cloned().collect();
    manifest
        .calculations
        .retain(|declared| live.contains(&declared.fingerprint));
    Manifest::decode(&manifest.encode()).expect("a manifest without them is one, too")
}

/// Which offsets of a bundle's range have no row.
fn record(bundle: Bundle, range: OffsetRange) -> RowlessRecord {
    let mut absent = AbsentBuilder::default();
    let rows = (0..MAX).map(|offset| (at(offset), bundle.rows & 1 << offset != 0));
    for (offset, _) in rows.filter(|(offset, row)| range.contains(*offset) && !row) {
        let run = OffsetRange::new(offset, offset.plus(1));
        absent.push(run.expect("one offset"));
    }
    RowlessRecord {
        absent: absent.finish(),
        filtered: 0,
    }
}
