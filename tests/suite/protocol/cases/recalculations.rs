//! The history is brought under another calculation.

use super::{Budget, Case, NONE, ONE, Rule, TWO};

pub const RECALCULATIONS: &[Case] = &[
    Case {
        name: "recalculate, crash",
        log: TWO,
        versions: 2,
        recalculates: true,
        history: false,
        budget: Budget {
            deploys: 1,
            crashes: 2,
            ..NONE
        },
        shows: &[Rule::CorrectEveryChange],
    },
    Case {
        name: "recalculate, zombie",
        log: ONE,
        versions: 2,
        recalculates: true,
        history: false,
        budget: Budget {
            deploys: 1,
            moves: 1,
            late_repairs: 1,
            ..NONE
        },
        shows: &[Rule::RetireReplaced, Rule::LookForNewer],
    },
    Case {
        name: "recalculate, race",
        log: TWO,
        versions: 3,
        recalculates: true,
        history: true,
        budget: Budget {
            deploys: 2,
            moves: 2,
            lost_puts: 1,
            late_repairs: 1,
            ..NONE
        },
        shows: &[Rule::InputsLive],
    },
    Case {
        name: "recalculate and back",
        log: TWO,
        versions: 2,
        recalculates: true,
        history: false,
        budget: Budget {
            deploys: 2,
            crashes: 2,
            ..NONE
        },
        shows: &[],
    },
    Case {
        name: "recalculate twice",
        log: TWO,
        versions: 3,
        recalculates: true,
        history: true,
        budget: Budget {
            deploys: 2,
            crashes: 2,
            aborts: 1,
            ..NONE
        },
        shows: &[Rule::KeepCorrections],
    },
    Case {
        name: "recalculate, lost puts",
        log: TWO,
        versions: 2,
        recalculates: true,
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
        name: "recalculate, gc",
        log: ONE,
        versions: 2,
        recalculates: true,
        history: false,
        budget: Budget {
            deploys: 1,
            moves: 1,
            gc: 1,
            ..NONE
        },
        shows: &[],
    },
];
