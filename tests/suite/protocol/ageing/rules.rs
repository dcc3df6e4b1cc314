//! The rules of an old history that can be switched off.

/// A rule of compaction, tidying or gc. With all of them on nothing goes wrong; with any one off, something does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// What may be deleted is what the lowest of the newest manifests states, not the newest one.
    LowestOfTheNewest,
    /// While a retained manifest cannot be read, no file is deleted.
    EveryRetainedIsRead,
    /// What the chain listed follows from base links, not from the order of the numbers.
    ByBaseLinks,
    /// Where the history begins is decided by an edit, not seen from what is there.
    OldestIsDecided,
    /// `oldest` is never above the head of the last commit.
    NotAboveCommitted,
    /// That is the commit that an owner knew, copied by all others.
    CommittedIsCopied,
    /// A file that no manifest lists goes only when no manifest can list it any more.
    OrphansAwaitNumbers,
    /// A file is listed by the next few numbers after it was put; then it is put anew under another name.
    NewNames,
    /// Inputs go to the attic after the manifest has come.
    ManifestFirst,
    /// The winner puts its files back before it moves its inputs away.
    PutBack,
    /// The loser of a race for the same inputs puts back what is live instead before it moves them away.
    LoserPutsBack,
    /// A created manifest with a higher number beside it is no part of the chain.
    CheckOvertaken,
    /// Who tidied looks whether what it moved is listed by now.
    LookAgainAfterTidying,
    /// Who tidies puts back what is listed before it moves the rest away.
    RestoreFirst,
    /// A file is listed if the page of its range lists it, for whoever tidies, sweeps or collects.
    PagesAreRead,
    /// While a page cannot be read, nothing in its range is moved, and nothing is deleted.
    UnreadPages,
    /// A page is put before the manifest that lists it.
    PageFirst,
    /// A page, too, is listed by the next few numbers after it was put, or put anew under another name.
    NewPageNames,
    /// Corrections that are not published stay in the open list, where the outbox finds them. In the product `Page::of` and `apply`
    /// both ask `is_published`: when that takes all for published, the search finds a gap that is filled, and sealed at once.
    PublishedOnly,
    /// The winner moves what it gave up to the attic.
    RetireGivenUp,
    /// Who seems to be beaten looks whether the gap is there, and moves what it gave up to the attic.
    KnowsWhatIsGivenUp,
    /// Who seems to be beaten looks whether what it filled a gap with is listed before it moves that away.
    KnowsWhatIsFilled,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 22] = [
        Rule::LowestOfTheNewest,
        Rule::EveryRetainedIsRead,
        Rule::ByBaseLinks,
        Rule::OldestIsDecided,
        Rule::NotAboveCommitted,
        Rule::CommittedIsCopied,
        Rule::OrphansAwaitNumbers,
        Rule::NewNames,
        Rule::ManifestFirst,
        Rule::PutBack,
        Rule::LoserPutsBack,
        Rule::CheckOvertaken,
        Rule::LookAgainAfterTidying,
        Rule::RestoreFirst,
        Rule::PagesAreRead,
        Rule::UnreadPages,
        Rule::PageFirst,
        Rule::NewPageNames,
        Rule::PublishedOnly,
        Rule::RetireGivenUp,
        Rule::KnowsWhatIsGivenUp,
        Rule::KnowsWhatIsFilled,
    ];
}

/// How much may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    pub appends: u8,
    pub compactions: u8,
    pub collections: u8,
    pub tidies: u8,
    pub seals: u8,
    pub reopens: u8,
    /// Files whose outcomes somebody accepts as lost.
    pub given_up: u8,
    /// Gaps that somebody fills again.
    pub fills: u8,
    /// Of `--keep` each.
    pub days: u8,
    pub deaths: u8,
    /// Manifests that cannot be read any more.
    pub damages: u8,
    /// Pages that cannot be read any more.
    pub page_damages: u8,
    /// Manifests that somebody removes.
    pub losses: u8,
}

impl Budget {
    /// Twice as many faults, and twice as much of what people do.
    pub fn doubled(self) -> Budget {
        let mut all = self;
        for count in [
            &mut all.given_up,
            &mut all.fills,
            &mut all.deaths,
            &mut all.damages,
            &mut all.page_damages,
            &mut all.losses,
        ] {
            *count *= 2;
        }
        all
    }
}
