//! What verifying finds: a closed list of kinds, each finding with its place, its words and its remedy.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{
    model::{Offset, OffsetRange, Partition, Sequence},
    store::Path,
};

macro_rules! finding_kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+) => {
        /// What is wrong: a closed list.
        ///
        /// | kind | meaning |
        /// |---|---|
        $(#[doc = concat!("| `", $text, "` |", $($doc,)+ " |")])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FindingKind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl FindingKind {
            /// Every kind.
            pub const ALL: &[FindingKind] = &[$(FindingKind::$variant,)+];

            /// The kind as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(FindingKind::$variant => $text,)+ }
            }
        }
    };
}

finding_kinds! {
    /// The file's size or SHA-256 is not what its manifest states.
    DigestMismatch = "digest-mismatch",
    /// The file is what the manifest states, or cannot be compared, but is no segment that can be read.
    Unreadable = "unreadable",
    /// A live segment is neither at its own path nor in the attic.
    MissingSegment = "missing-segment",
    /// A live segment lies in the attic, or a file is another segment than its path says.
    MisplacedSegment = "misplaced-segment",
    /// A file among the live segments that no manifest lists; a plain glob counts it.
    Orphan = "orphan",
    /// Rows or counts are not what the manifest or the segment's own metadata states.
    WrongCount = "wrong-count",
    /// Rows are not ascending by offset, or lie outside of the segment's range.
    Unsorted = "unsorted",
    /// An offset has more than one outcome, or an outcome although it is recorded as absent or lost.
    Overlap = "overlap",
    /// An offset has no outcome, and no record says why.
    Hole = "hole",
    /// A stored result is not what the calculation gives for the stored fields.
    WrongResult = "wrong-result",
    /// A stored reject has a result now, or another reason.
    WrongReject = "wrong-reject",
    /// An event that is on record as filtered passes the condition that is on record for it.
    WrongFiltered = "wrong-filtered",
    /// Kafka delivers an event at an offset that is on record as never delivered.
    WrongAbsent = "wrong-absent",
    /// The group has committed less than the snapshots hold.
    Uncommitted = "uncommitted",
    /// Segments of another calculation than the one that was given: compared with what their own gives.
    OtherCalculation = "other-calculation",
    /// Segments whose calculation this program does not have: their values were compared with nothing.
    NotCompared = "not-compared",
    /// A calculation gave two answers for the same stored inputs: what is right is not known.
    NotDeterministic = "not-deterministic",
    /// The live results have a column in more than one type, which readers cannot read together.
    MixedTypes = "mixed-types",
    /// A number of the chain has no manifest.
    ManifestMissing = "manifest-missing",
    /// A manifest cannot be read, contradicts itself, or is another one's copy.
    ManifestDamaged = "manifest-damaged",
    /// A page that the newest manifest lists is gone: what is live in its range is not known.
    PageMissing = "page-missing",
    /// A page cannot be read, contradicts itself, or is another one than its manifest lists.
    PageDamaged = "page-damaged",
    /// A manifest is not its base with its edit.
    ChainBroken = "chain-broken",
    /// A stored outcome is not in the output topics.
    Unpublished = "unpublished",
    /// An outcome is in the output topics more than once.
    PublishedTwice = "published-twice",
    /// A message of the output topics is not what is stored for its event.
    PublishedWrong = "published-wrong",
    /// The newest published revision of an outcome is not the stored one.
    StaleRevision = "stale-revision",
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for FindingKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Whether something has to be done about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Stored data is not what it should be: the store is not clean.
    Damage,
    /// Worth knowing; the store is clean all the same.
    Notice,
}

/// One thing that is wrong, or worth knowing, with a range of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The partition.
    pub partition: Partition,
    /// The first offset concerned.
    pub start: Offset,
    /// The offset after the last one concerned; equal to `start` when no offset of its own is.
    pub end: Offset,
    /// The path of the segment concerned, relative to the store's root.
    pub segment: Option<String>,
    /// The highest of the numbers whose manifests cannot be used, if it is about those.
    #[serde(skip)]
    pub manifest: Option<Sequence>,
    /// The store does not give the file out: what is in it is not known, and was written as it should be.
    #[serde(skip)]
    pub not_given: bool,
    /// What was found.
    pub detail: String,
    /// What can be done about it.
    pub remedy: String,
    /// Whether it has to be.
    #[serde(skip)]
    pub severity: Severity,
}

/// One line for people: kind, place, detail and remedy.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at {}/{}-{}: {}; {}",
            self.kind, self.partition, self.start, self.end, self.detail, self.remedy
        )
    }
}

impl Finding {
    /// It is about a file that the store does not give out.
    pub(super) fn of_a_file_not_given(self) -> Finding {
        Finding {
            not_given: true,
            ..self
        }
    }

    pub(super) fn new(
        kind: FindingKind,
        partition: Partition,
        range: OffsetRange,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding {
            kind,
            partition,
            start: range.start(),
            end: range.end(),
            segment: None,
            manifest: None,
            not_given: false,
            detail: detail.into(),
            remedy: remedy.into(),
            severity: match kind {
                FindingKind::OtherCalculation => Severity::Notice,
                _ => Severity::Damage,
            },
        }
    }

    pub(super) fn of(mut self, segment: &Path) -> Finding {
        self.segment = Some(segment.to_string());
        self
    }

    /// It is about numbers up to this one, none of whose manifests can be used.
    pub(super) fn about_manifest(mut self, number: Sequence) -> Finding {
        self.manifest = Some(number);
        self
    }

    pub(super) fn into_notice(mut self) -> Finding {
        self.severity = Severity::Notice;
        self
    }

    /// Whether the store is not clean because of it.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        self.severity == Severity::Damage
    }

    /// Whether a page cannot be read.
    #[must_use]
    pub fn is_about_a_page(&self) -> bool {
        matches!(
            self.kind,
            FindingKind::PageMissing | FindingKind::PageDamaged
        )
    }

    /// The order of a report: by partition, then by offset.
    pub(super) fn order(&self) -> impl Ord + use<> {
        (
            self.partition,
            self.start,
            self.end,
            self.kind,
            self.segment.clone(),
            self.detail.clone(),
        )
    }
}
