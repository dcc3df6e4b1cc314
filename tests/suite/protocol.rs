//! The protocol as a model: one partition, two workers, and everything that may happen to them, step by step.
//!
//! The model is made of the product's own functions: `plan`, `apply`, the commit metadata, `rebase`, `holder`, `is_overtaken`,
//! `next_corrections`. Around them it has what the product asks for over the network: a group, transactions, topics, a store.
//! [`search`] visits every state that can be reached with a budget of faults, and looks in each for a broken invariant.
//! What each case leaves out keeps it small enough to be searched to its end. Larger ones, in release and with as many
//! states as memory allows:
//!
//! ```text
//! SNAPBACK_PROTOCOL_STATES=50000000 cargo test --release --test suite protocol -- --nocapture
//! ```

mod ageing;
mod cases;
mod check;
mod faults;
mod gather;
mod model;
mod planning;
mod product;
mod rules;
mod search;
mod state;
mod store;
mod transactions;
mod values;

use crate::support::heavy;
use cases::{config, larger};
use model::Model;
use rules::{Config, Rule};
use search::Found;

fn search(config: &Config) -> Found {
    search::search(|| Model::new(config), config.limit)
}

fn line(name: &str, found: &Found) -> String {
    let Found {
        states,
        transitions,
        depth,
        at_rest,
        time,
        ..
    } = found;
    format!(
        "{name:<28} {states:>9} {transitions:>11} {depth:>5} {at_rest:>8} {:>6.1} s",
        time.as_secs_f32()
    )
}

#[test]
fn the_protocol_holds_in_every_state() {
    let _turn = heavy();
    let larger = larger();
    println!(
        "{:<28} {:>9} {:>11} {:>5} {:>8} {:>8}",
        "case", "states", "transitions", "depth", "at rest", "time"
    );
    let mut states = 0;
    for case in cases::all() {
        let found = search(&config(case, None, larger));
        println!("{}", line(case.name, &found));
        states += found.states;
        if let Some(violation) = found.violation {
            panic!("{}: {}", case.name, violation.text());
        }
        assert!(
            larger.is_some() || !found.cut_short,
            "{} has more states than it may",
            case.name
        );
        assert!(found.at_rest > 0, "{} never comes to rest", case.name);
    }
    println!("{states} states");
    assert!(states > 1_000_000, "only {states} states");
}

#[test]
fn every_rule_is_needed() {
    let _turn = heavy();
    println!(
        "{:<32} {:<28} {:>5} {:>9}  broken",
        "rule that is off", "case", "steps", "states"
    );
    let mut unneeded = Vec::new();
    let mut traces = String::new();
    for rule in Rule::ALL {
        let shows = cases::all().filter(|case| case.shows.contains(&rule));
        let found = shows.map(|case| (case.name, search(&config(case, Some(rule), None))));
        let Some((case, states, violation)) = found
            .filter_map(|(case, found)| Some((case, found.states, found.violation?)))
            .min_by_key(|(.., violation)| violation.trace.len())
        else {
            unneeded.push(rule);
            continue;
        };
        println!(
            "{:<32} {case:<28} {:>5} {states:>9}  {}",
            format!("{rule:?}"),
            violation.trace.len(),
            violation.what
        );
        traces += &format!("\nwithout {rule:?}: {}", violation.text());
    }
    print!("{traces}");
    assert!(
        unneeded.is_empty(),
        "switching these off breaks nothing: {unneeded:?}"
    );
}
