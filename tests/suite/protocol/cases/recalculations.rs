//! The history is brought under another calculation.

use super::{Budget, Case, NONE, ONE, Rule, USUAL};

pub const RECALCULATIONS: &[Case] = &[
    Case {
        name: "recalculate, crash",
        versions: 2,
        recalculates: true,
        budget: Budget {
            deploys: 1,
            crashes: 2,
            ..NONE
        },
        shows: &[Rule::CorrectEveryChange],
        ..USUAL
    },
    Case {
        name: "recalculate, zombie",
        log: ONE,
        versions: 2,
        recalculates: true,
        budget: Budget {
            deploys: 1,
            moves: 1,
            late_repairs: 1,
            ..NONE
        },
        shows: &[Rule::RetireReplaced, Rule::LookForNewer],
        ..USUAL
    },
    Case {
        name: "recalculate, race",
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
        ..USUAL
    },
    Case {
        name: "recalculate and back",
        versions: 2,
        recalculates: true,
        budget: Budget {
            deploys: 2,
            crashes: 2,
            ..NONE
        },
        ..USUAL
    },
    Case {
        name: "recalculate twice",
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
        ..USUAL
    },
    Case {
        name: "recalculate, lost puts",
        versions: 2,
        recalculates: true,
        budget: Budget {
            deploys: 1,
            crashes: 1,
            lost_puts: 1,
            ..NONE
        },
        ..USUAL
    },
    Case {
        name: "recalculate, gc",
        log: ONE,
        versions: 2,
        recalculates: true,
        budget: Budget {
            deploys: 1,
            moves: 1,
            gc: 1,
            ..NONE
        },
        ..USUAL
    },
];
