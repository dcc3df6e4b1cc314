//! Another calculation is deployed, and perhaps the first one again.

use super::{Budget, Case, NONE, Rule, USUAL};

pub const DEPLOYS: &[Case] = &[
    Case {
        name: "deploy, crash",
        versions: 2,
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
        ..USUAL
    },
    Case {
        name: "deploy, zombie",
        versions: 2,
        budget: Budget {
            deploys: 1,
            moves: 1,
            ..NONE
        },
        shows: &[Rule::OnlyOursSettles],
        ..USUAL
    },
    Case {
        name: "deploy and back",
        versions: 2,
        budget: Budget {
            deploys: 2,
            crashes: 2,
            ..NONE
        },
        shows: &[Rule::CorrectionsInOrder],
        ..USUAL
    },
    Case {
        name: "deploy, lost commits",
        versions: 2,
        budget: Budget {
            deploys: 1,
            moves: 1,
            lost_commits: 1,
            ..NONE
        },
        ..USUAL
    },
    Case {
        name: "deploy, lost puts",
        versions: 2,
        budget: Budget {
            deploys: 1,
            crashes: 1,
            lost_puts: 1,
            ..NONE
        },
        ..USUAL
    },
    Case {
        name: "deploy, foreign commits",
        versions: 2,
        budget: Budget {
            deploys: 1,
            crashes: 1,
            foreign: 1,
            operator: 1,
            ..NONE
        },
        ..USUAL
    },
    Case {
        name: "deploy, expired events",
        versions: 2,
        budget: Budget {
            deploys: 1,
            crashes: 2,
            expired: 1,
            operator: 1,
            ..NONE
        },
        ..USUAL
    },
    Case {
        name: "deploy, compacted events",
        versions: 2,
        budget: Budget {
            deploys: 1,
            crashes: 2,
            compacted: 1,
            operator: 1,
            ..NONE
        },
        ..USUAL
    },
    Case {
        name: "deploy, older backup",
        versions: 2,
        budget: Budget {
            deploys: 1,
            crashes: 2,
            rollbacks: 1,
            operator: 1,
            ..NONE
        },
        ..USUAL
    },
];
