//! What is searched: each case is a budget of what may happen.

mod losses;

use super::rules::{Budget, Rule};
pub use losses::LOSSES;

/// What the history has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    Whole,
    /// Nobody has an outcome of one offset.
    Lost,
    /// It was filled again; its corrections are not published yet.
    Filled,
}

/// A case, and the rules whose absence it shows.
pub struct Case {
    pub name: &'static str,
    /// Whether commits are steps of their own; otherwise each snapshot knows of a commit that names the one before.
    pub lags: bool,
    /// How many snapshots there are at the beginning, all older than `--keep`.
    pub history: u8,
    /// What became of an offset behind the first of them.
    pub gap: Past,
    /// How many snapshots are appended in one step; if several, in days.
    pub burst: u8,
    /// How many pairs of neighbours there are to choose from.
    pub pairs: usize,
    pub budget: Budget,
    pub shows: &'static [Rule],
}

const NONE: Budget = Budget {
    appends: 0,
    compactions: 0,
    collections: 0,
    tidies: 0,
    seals: 0,
    reopens: 0,
    given_up: 0,
    fills: 0,
    days: 0,
    deaths: 0,
    damages: 0,
    page_damages: 0,
    losses: 0,
};

/// Nothing is lost for good.
pub const WHOLE: &[Case] = &[
    Case {
        name: "late compaction",
        lags: false,
        history: 2,
        gap: Past::Whole,
        burst: 1,
        pairs: 2,
        budget: Budget {
            appends: 1,
            compactions: 1,
            collections: 2,
            days: 1,
            ..NONE
        },
        shows: &[Rule::OrphansAwaitNumbers, Rule::NewNames],
    },
    Case {
        name: "tidying",
        lags: false,
        history: 2,
        gap: Past::Whole,
        burst: 1,
        pairs: 2,
        budget: Budget {
            appends: 1,
            compactions: 1,
            tidies: 2,
            deaths: 1,
            ..NONE
        },
        shows: &[
            Rule::ManifestFirst,
            Rule::PutBack,
            Rule::LookAgainAfterTidying,
            Rule::RestoreFirst,
        ],
    },
    Case {
        name: "two compactions",
        lags: false,
        history: 3,
        gap: Past::Whole,
        burst: 1,
        pairs: 2,
        budget: Budget {
            compactions: 2,
            tidies: 1,
            deaths: 1,
            ..NONE
        },
        shows: &[Rule::LoserPutsBack],
    },
    Case {
        name: "removed numbers",
        lags: false,
        history: 2,
        gap: Past::Whole,
        burst: 3,
        pairs: 1,
        budget: Budget {
            appends: 2,
            compactions: 1,
            collections: 2,
            ..NONE
        },
        shows: &[Rule::CheckOvertaken, Rule::OldestIsDecided],
    },
    Case {
        name: "late commits",
        lags: true,
        history: 2,
        gap: Past::Whole,
        burst: 1,
        pairs: 2,
        budget: Budget {
            appends: 3,
            collections: 2,
            days: 1,
            ..NONE
        },
        shows: &[Rule::NotAboveCommitted, Rule::CommittedIsCopied],
    },
    Case {
        name: "damage",
        lags: false,
        history: 3,
        gap: Past::Whole,
        burst: 1,
        pairs: 1,
        budget: Budget {
            appends: 1,
            compactions: 1,
            collections: 2,
            days: 1,
            damages: 1,
            ..NONE
        },
        shows: &[Rule::LowestOfTheNewest, Rule::EveryRetainedIsRead],
    },
    Case {
        name: "a number filled again",
        lags: false,
        history: 2,
        gap: Past::Whole,
        burst: 1,
        pairs: 1,
        budget: Budget {
            appends: 2,
            compactions: 2,
            collections: 1,
            deaths: 1,
            losses: 1,
            ..NONE
        },
        shows: &[Rule::ByBaseLinks],
    },
    Case {
        name: "sealing",
        lags: false,
        history: 3,
        gap: Past::Whole,
        burst: 1,
        pairs: 1,
        budget: Budget {
            appends: 1,
            compactions: 1,
            tidies: 1,
            seals: 1,
            reopens: 1,
            deaths: 1,
            ..NONE
        },
        shows: &[Rule::PagesAreRead, Rule::PageFirst],
    },
    Case {
        name: "late sealing",
        lags: false,
        history: 2,
        gap: Past::Whole,
        burst: 1,
        pairs: 1,
        budget: Budget {
            appends: 1,
            collections: 2,
            days: 1,
            seals: 2,
            reopens: 1,
            ..NONE
        },
        shows: &[Rule::NewPageNames],
    },
    Case {
        name: "a damaged page",
        lags: false,
        history: 3,
        gap: Past::Whole,
        burst: 1,
        pairs: 1,
        budget: Budget {
            appends: 1,
            collections: 2,
            tidies: 1,
            days: 1,
            seals: 1,
            page_damages: 1,
            ..NONE
        },
        shows: &[Rule::UnreadPages],
    },
];
