//! A history that grows old, as a model: two keepers of one partition that compact, seal, reopen, collect and tidy, that give outcomes up
//! and fill gaps, each of them perhaps suspended between any two steps and long gone as an owner; an owner that appends and publishes
//! corrections meanwhile; damage, losses, deaths, days.
//!
//! What is decided is decided by the product's own functions: `apply`, `Page::of`, `next_corrections`, `are_live`, `is_overtaken`,
//! `is_outside`, `may_list`, and the choice of what gc may delete. Smaller than in the product are the newest manifests that always stay, and the numbers
//! within which a file is listed.
//!
//! Readers need no state of their own. Who reads the newest manifest and then its files finds each of them, at once or in
//! the newest manifest that it reads again, when every state has them all; who reads the plain glob never counts too few
//! when every state has each offset in a data folder.

mod accounts;
mod arena;
mod cases;
mod check;
mod collecting;
mod losses;
mod model;
mod rules;
mod sealing;
mod state;
mod writing;

use super::{cases::larger, line, search::search};
use crate::support::heavy;
use cases::{Case, LOSSES, WHOLE};
use model::Ageing;
use rules::Rule;

/// States beyond which a case is given up: it is not meant to have so many.
const LIMIT: usize = 3_000_000;

/// Nothing is wrong in any state of these cases: how many states they have.
fn search_all(cases: &'static [Case]) -> usize {
    let _turn = heavy();
    let larger = larger();
    let budget = |case: &Case| match larger {
        Some(_) => case.budget.doubled(),
        None => case.budget,
    };
    let mut states = 0;
    for case in cases {
        let model = || Ageing::new(case, budget(case), None);
        let found = search(model, larger.unwrap_or(LIMIT));
        println!("{}", line(case.name, &found));
        states += found.states;
        if let Some(violation) = found.violation {
            panic!("{}: {}", case.name, violation.text());
        }
        assert!(
            larger.is_some() || !found.cut_short,
            "{} has too many states",
            case.name
        );
        assert!(found.at_rest > 0, "{} never comes to rest", case.name);
    }
    println!("{states} states");
    states
}

#[test]
fn a_history_that_grows_old_holds_in_every_state() {
    let states = search_all(WHOLE);
    assert!(states > 100_000, "only {states} states");
}

#[test]
fn a_history_with_losses_holds_in_every_state() {
    let states = search_all(LOSSES);
    assert!(states > 100_000, "only {states} states");
}

#[test]
fn every_rule_of_an_old_history_is_needed() {
    let _turn = heavy();
    let mut unneeded = Vec::new();
    let mut traces = String::new();
    for rule in Rule::ALL {
        let cases = WHOLE.iter().chain(LOSSES);
        let shows = cases.filter(|case| case.shows.contains(&rule));
        let found = shows.map(|case| {
            let model = || Ageing::new(case, case.budget, Some(rule));
            (case.name, search(model, LIMIT))
        });
        let Some((case, violation)) = found
            .filter_map(|(case, found)| Some((case, found.violation?)))
            .min_by_key(|(_, violation)| violation.trace.len())
        else {
            unneeded.push(rule);
            continue;
        };
        let (steps, what) = (violation.trace.len(), violation.what);
        println!("{:<24} {case:<28} {steps:>5}  {what}", format!("{rule:?}"));
        traces += &format!("\nwithout {rule:?}: {}", violation.text());
    }
    print!("{traces}");
    assert!(
        unneeded.is_empty(),
        "switching these off breaks nothing: {unneeded:?}"
    );
}
