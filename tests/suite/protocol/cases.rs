//! What is searched: each case is a log and a budget of faults.

mod deploys;
mod recalculations;

use deploys::DEPLOYS;
use recalculations::RECALCULATIONS;

use super::rules::{Budget, Config, Kind, Rule};

/// A case, and the rules whose absence it shows.
pub struct Case {
    pub name: &'static str,
    pub log: &'static [Kind],
    pub versions: u8,
    pub recalculates: bool,
    pub history: bool,
    pub budget: Budget,
    pub shows: &'static [Rule],
}

const ONE: &[Kind] = &[Kind::Result];
const TWO: &[Kind] = &[Kind::Result, Kind::Reject];
const THREE: &[Kind] = &[Kind::Result, Kind::Reject, Kind::Result];
const ABSENT: &[Kind] = &[Kind::Result, Kind::Absent, Kind::Reject];

/// No fault at all.
const NONE: Budget = Budget {
    crashes: 0,
    moves: 0,
    lost_puts: 0,
    aborts: 0,
    lost_commits: 0,
    foreign: 0,
    rollbacks: 0,
    expired: 0,
    compacted: 0,
    operator: 0,
    gc: 0,
    early: 0,
    deploys: 0,
    late_repairs: 0,
};

/// Every case.
pub fn all() -> impl Iterator<Item = &'static Case> {
    SAME_PROGRAM.iter().chain(DEPLOYS).chain(RECALCULATIONS)
}

/// One program for as long as it lasts.
const SAME_PROGRAM: &[Case] = &[
    Case {
        name: "crashes",
        log: ABSENT,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            crashes: 2,
            early: 1,
            ..NONE
        },
        shows: &[
            Rule::BindFirst,
            Rule::OneTransaction,
            Rule::ReplayPublishesNothing,
            Rule::ReplayInNoCommit,
            Rule::SegmentsFirst,
            Rule::CommittedOnly,
        ],
    },
    Case {
        name: "zombie",
        log: TWO,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget { moves: 2, ..NONE },
        shows: &[
            Rule::FenceCommits,
            Rule::FenceBeforeFacts,
            Rule::ChainBeforeCommitted,
            Rule::AskAgainWhenGrown,
            Rule::RetireLosers,
            Rule::PutBack,
            Rule::StableCommitted,
            Rule::NoTransactionOutlivesRevocation,
            Rule::CreateIfAbsent,
            Rule::Trim,
        ],
    },
    Case {
        name: "zombie and crash",
        log: TWO,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            moves: 1,
            crashes: 1,
            ..NONE
        },
        shows: &[],
    },
    Case {
        name: "lost puts",
        log: TWO,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            lost_puts: 2,
            crashes: 1,
            ..NONE
        },
        shows: &[Rule::ReadBack],
    },
    Case {
        name: "lost puts, zombie",
        log: TWO,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            lost_puts: 1,
            moves: 1,
            ..NONE
        },
        shows: &[Rule::CreateIfAbsent],
    },
    Case {
        name: "lost commits, aborts",
        log: TWO,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            lost_commits: 1,
            aborts: 1,
            crashes: 1,
            ..NONE
        },
        shows: &[Rule::AskAfterUnknownCommit, Rule::AbortSparesReplay],
    },
    Case {
        name: "lost commits, zombie",
        log: TWO,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            lost_commits: 1,
            moves: 1,
            ..NONE
        },
        shows: &[],
    },
    Case {
        name: "foreign commits",
        log: TWO,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            foreign: 1,
            crashes: 1,
            operator: 1,
            ..NONE
        },
        shows: &[Rule::ForeignCommits],
    },
    Case {
        name: "foreign commits, zombie",
        log: TWO,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            foreign: 1,
            moves: 1,
            ..NONE
        },
        shows: &[Rule::PlanAgainAfterLostBind],
    },
    Case {
        name: "older backup",
        log: TWO,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            rollbacks: 1,
            crashes: 2,
            operator: 1,
            ..NONE
        },
        shows: &[],
    },
    Case {
        name: "older backup, deploy",
        log: TWO,
        versions: 2,
        recalculates: false,
        history: false,
        budget: Budget {
            rollbacks: 1,
            crashes: 2,
            deploys: 1,
            ..NONE
        },
        shows: &[Rule::HeadInChain],
    },
    Case {
        name: "expired events",
        log: ABSENT,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            expired: 2,
            crashes: 1,
            operator: 1,
            ..NONE
        },
        shows: &[
            Rule::NoticeExpired,
            Rule::AcceptExactly,
            Rule::CommitLossFirst,
        ],
    },
    Case {
        name: "compacted events",
        log: ABSENT,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            compacted: 1,
            crashes: 1,
            operator: 1,
            ..NONE
        },
        shows: &[Rule::ReplayCounts],
    },
    Case {
        name: "gc",
        log: TWO,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            gc: 2,
            moves: 2,
            ..NONE
        },
        shows: &[Rule::CheckPresent],
    },
    Case {
        name: "gc, long history",
        log: THREE,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            gc: 2,
            moves: 1,
            ..NONE
        },
        shows: &[Rule::CheckOvertaken, Rule::KeepHead],
    },
    Case {
        name: "gc, lost puts",
        log: TWO,
        versions: 1,
        recalculates: false,
        history: false,
        budget: Budget {
            gc: 1,
            crashes: 1,
            lost_puts: 1,
            ..NONE
        },
        shows: &[Rule::KeepListed],
    },
];

/// States beyond which a case is given up: it is not meant to have so many.
const LIMIT: usize = 3_000_000;

/// The limit of a larger search, when one is asked for.
pub fn larger() -> Option<usize> {
    let text = std::env::var("SNAPBACK_PROTOCOL_STATES").ok()?;
    Some(
        text.parse()
            .expect("SNAPBACK_PROTOCOL_STATES is a number of states"),
    )
}

/// The search of a case; a larger one has twice the faults.
pub fn config(case: &Case, off: Option<Rule>, larger: Option<usize>) -> Config {
    Config {
        log: case.log,
        versions: case.versions,
        recalculates: case.recalculates,
        history: case.history,
        budget: match larger {
            Some(_) => case.budget.doubled(),
            None => case.budget,
        },
        off,
        limit: larger.unwrap_or(LIMIT),
    }
}
