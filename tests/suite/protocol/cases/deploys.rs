//! Another calculation is deployed, and perhaps the first one again.

use super::{Budget, Case, NONE, Rule, TWO};

pub const DEPLOYS: &[Case] = &[
    Case {
        name: "deploy, crash",
        log: TWO,
        versions: 2,
        recalculates: false,
        history: false,
        budget: Budget {
            deploys: 1,
            crashes: 2,
            ..NONE
        },
        shows: &[
            Rule::CorrectReplayed,
            Rule::StoreCorrectionsFirst,
            Rule::CommitProgress,
            Rule::CarryProgress,
        ],
    },
    Case {
        name: "deploy, zombie",
        log: TWO,
        versions: 2,
        recalculates: false,
        history: false,
        budget: Budget {
            deploys: 1,
            moves: 1,
            ..NONE
        },
        shows: &[Rule::OnlyOursSettles],
    },
    Case {
        name: "deploy and back",
        log: TWO,
        versions: 2,
        recalculates: false,
        history: false,
        budget: Budget {
            deploys: 2,
            crashes: 2,
            ..NONE
        },
        shows: &[Rule::CorrectionsInOrder],
    },
    Case {
        name: "deploy, lost commits",
        log: TWO,
        versions: 2,
        recalculates: false,
        history: false,
        budget: Budget {
            deploys: 1,
            moves: 1,
            lost_commits: 1,
            ..NONE
        },
        shows: &[],
    },
    Case {
        name: "deploy, lost puts",
        log: TWO,
        versions: 2,
        recalculates: false,
        history: false,
        budget: Budget {
            deploys: 1,
            crashes: 1,
            lost_puts: 1,
            ..NONE
        },
        shows: &[],
    },
    Case {
        name: "deploy, foreign commits",
        log: TWO,
        versions: 2,
        recalculates: false,
        history: false,
        budget: Budget {
            deploys: 1,
            crashes: 1,
            foreign: 1,
            operator: 1,
            ..NONE
        },
        shows: &[],
    },
    Case {
        name: "deploy, expired events",
        log: TWO,
        versions: 2,
        recalculates: false,
        history: false,
        budget: Budget {
            deploys: 1,
            crashes: 2,
            expired: 1,
            operator: 1,
            ..NONE
        },
        shows: &[],
    },
    Case {
        name: "deploy, compacted events",
        log: TWO,
        versions: 2,
        recalculates: false,
        history: false,
        budget: Budget {
            deploys: 1,
            crashes: 2,
            compacted: 1,
            operator: 1,
            ..NONE
        },
        shows: &[],
    },
    Case {
        name: "deploy, older backup",
        log: TWO,
        versions: 2,
        recalculates: false,
        history: false,
        budget: Budget {
            deploys: 1,
            crashes: 2,
            rollbacks: 1,
            operator: 1,
            ..NONE
        },
        shows: &[],
    },
];
