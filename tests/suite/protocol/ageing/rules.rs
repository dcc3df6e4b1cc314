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
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 18] = [
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
