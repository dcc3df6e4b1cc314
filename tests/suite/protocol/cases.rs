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

/// What most cases have.
const USUAL: Case = Case {
    name: "",
    log: TWO,
    versions: 1,
    recalculates: false,
    history: false,
    budget: NONE,
    shows: &[],
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
        ..USUAL
    },
    Case {
        name: "zombie",
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
        ..USUAL
    },
    Case {
        name: "zombie and crash",
        budget: Budget {
            moves: 1,
            crashes: 1,
            ..NONE
        },
        ..USUAL
    },
    Case {
        name: "lost puts",
        budget: Budget {
            lost_puts: 2,
            crashes: 1,
            ..NONE
        },
        shows: &[Rule::ReadBack],
        ..USUAL
    },
    Case {
        name: "lost puts, zombie",
        budget: Budget {
            lost_puts: 1,
            moves: 1,
            ..NONE
        },
        shows: &[Rule::CreateIfAbsent],
        ..USUAL
    },
    Case {
        name: "lost commits, aborts",
        budget: Budget {
            lost_commits: 1,
            aborts: 1,
            crashes: 1,
            ..NONE
        },
        shows: &[Rule::AskAfterUnknownCommit, Rule::AbortSparesReplay],
        ..USUAL
    },
    Case {
        name: "lost commits, zombie",
        budget: Budget {
            lost_commits: 1,
            moves: 1,
            ..NONE
        },
        ..USUAL
    },
    Case {
        name: "foreign commits",
        budget: Budget {
            foreign: 1,
            crashes: 1,
            operator: 1,
            ..NONE
        },
        shows: &[Rule::ForeignCommits],
        ..USUAL
    },
    Case {
        name: "foreign commits, zombie",
        budget: Budget {
            foreign: 1,
            moves: 1,
            ..NONE
        },
        shows: &[Rule::PlanAgainAfterLostBind],
        ..USUAL
    },
    Case {
        name: "older backup",
        budget: Budget {
            rollbacks: 1,
            crashes: 2,
            operator: 1,
            ..NONE
        },
        ..USUAL
    },
    Case {
        name: "older backup, deploy",
        versions: 2,
        budget: Budget {
            rollbacks: 1,
            crashes: 2,
            deploys: 1,
            ..NONE
        },
        shows: &[Rule::HeadInChain],
        ..USUAL
    },
    Case {
        name: "expired events",
        log: ABSENT,
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
        ..USUAL
    },
    Case {
        name: "compacted events",
        log: ABSENT,
        budget: Budget {
            compacted: 1,
            crashes: 1,
            operator: 1,
            ..NONE
        },
        shows: &[Rule::ReplayCounts],
        ..USUAL
    },
    Case {
        name: "gc",
        budget: Budget {
            gc: 2,
            moves: 2,
            ..NONE
        },
        shows: &[Rule::CheckPresent],
        ..USUAL
    },
    Case {
        name: "gc, long history",
        log: THREE,
        budget: Budget {
            gc: 2,
            moves: 1,
            ..NONE
        },
        shows: &[Rule::CheckOvertaken, Rule::KeepHead],
        ..USUAL
    },
    Case {
        name: "gc, lost puts",
        budget: Budget {
            gc: 1,
            crashes: 1,
            lost_puts: 1,
            ..NONE
        },
        shows: &[Rule::KeepListed],
        ..USUAL
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
