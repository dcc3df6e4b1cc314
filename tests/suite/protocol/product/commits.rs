//! What the group holds: commits with their metadata, and how far corrections are published.

use super::*;

impl Product {
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
                condition: None,
                fields: None,
                fingerprint: fingerprint(version),
                head: self.head(head),
                outcomes: outcomes.into(),
                kinds: None,
                limits: Limits::default(),
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

    /// Offset and progress when what the group has is ours, after a commit that was not answered.
    pub fn settle(&self, before: u8, sent: CommitId, found: CommitId) -> Option<(u8, Progress)> {
        let committed = |id: CommitId| Some(&self.commits.get((id as usize).checked_sub(1)?)?.1);
        match recovery::settle(at(before), committed(sent), committed(found)) {
            Settled::Another => None,
            Settled::At { offset, commit } => {
                let progress = commit.corrections.map(|done| Progress {
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
        let listed = &entry.real.open.corrections;
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
