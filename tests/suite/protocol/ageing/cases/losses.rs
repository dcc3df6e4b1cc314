//! Outcomes are given up, gaps are filled, and corrections tell readers of it.

use super::{Budget, Case, NONE, Past, Rule};

/// What most of them have.
const USUAL: Case = Case {
    name: "",
    lags: false,
    history: 2,
    gap: Past::Whole,
    burst: 1,
    pairs: 1,
    budget: NONE,
    shows: &[],
};

pub const LOSSES: &[Case] = &[
    Case {
        name: "giving up",
        history: 3,
        budget: Budget {
            appends: 1,
            compactions: 1,
            tidies: 1,
            given_up: 1,
            deaths: 1,
            ..NONE
        },
        shows: &[Rule::RetireGivenUp, Rule::KnowsWhatIsGivenUp],
        ..USUAL
    },
    Case {
        name: "giving up what is sealed",
        history: 3,
        budget: Budget {
            appends: 1,
            seals: 1,
            given_up: 2,
            ..NONE
        },
        ..USUAL
    },
    Case {
        name: "filling",
        gap: Past::Lost,
        budget: Budget {
            appends: 1,
            tidies: 1,
            fills: 2,
            deaths: 1,
            ..NONE
        },
        shows: &[Rule::KnowsWhatIsFilled],
        ..USUAL
    },
    Case {
        name: "filling what is sealed",
        gap: Past::Lost,
        budget: Budget {
            appends: 1,
            compactions: 1,
            seals: 1,
            fills: 1,
            ..NONE
        },
        ..USUAL
    },
    Case {
        name: "late filling",
        gap: Past::Lost,
        budget: Budget {
            appends: 1,
            collections: 2,
            fills: 1,
            days: 1,
            ..NONE
        },
        ..USUAL
    },
    Case {
        name: "corrections in pages",
        gap: Past::Filled,
        budget: Budget {
            appends: 1,
            seals: 2,
            reopens: 1,
            ..NONE
        },
        shows: &[Rule::PublishedOnly],
        ..USUAL
    },
    Case {
        name: "corrections in pages, gc",
        gap: Past::Filled,
        budget: Budget {
            appends: 1,
            collections: 2,
            seals: 1,
            ..NONE
        },
        ..USUAL
    },
];
