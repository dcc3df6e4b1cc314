//! The protocol as a model, and a search through all of its states.

mod check;
mod faults;
mod gather;
mod model;
mod product;
mod rules;
mod search;
mod state;
mod store;

use rules::{Config, Kind};
use search::search;
use state::Budget;

const LOG: &[Kind] = &[Kind::Result, Kind::Reject];

#[test]
fn the_protocol_holds() {
    let name = std::env::var("CASE").unwrap_or_default();
    let b = Budget::default();
    let cases = [
        (
            "crash",
            Budget {
                crashes: 1,
                moves: 1,
                ..b
            },
        ),
        (
            "crash2",
            Budget {
                crashes: 2,
                moves: 2,
                ..b
            },
        ),
        (
            "puts",
            Budget {
                crashes: 1,
                moves: 1,
                lost_puts: 1,
                ..b
            },
        ),
        (
            "commits",
            Budget {
                crashes: 1,
                moves: 1,
                lost_commits: 1,
                aborts: 1,
                ..b
            },
        ),
        (
            "foreign",
            Budget {
                crashes: 1,
                moves: 1,
                foreign: 1,
                operator: 1,
                ..b
            },
        ),
        (
            "rollback",
            Budget {
                crashes: 2,
                moves: 1,
                rollbacks: 1,
                operator: 1,
                ..b
            },
        ),
        (
            "expire",
            Budget {
                crashes: 1,
                moves: 1,
                expired: 1,
                operator: 1,
                ..b
            },
        ),
        (
            "compact",
            Budget {
                crashes: 1,
                moves: 1,
                compacted: 1,
                operator: 1,
                ..b
            },
        ),
        (
            "gc",
            Budget {
                moves: 2,
                crashes: 1,
                gc: 2,
                ..b
            },
        ),
    ];
    for (case, budget) in cases {
        if !name.is_empty() && name != case {
            continue;
        }
        let config = Config {
            name: case,
            log: LOG,
            versions: 1,
            budget,
            off: None,
            limit: 4_000_000,
        };
        let found = search(&config);
        println!(
            "{case}: {} states {} transitions depth {} at rest {} {:?} cut {}",
            found.states,
            found.transitions,
            found.depth,
            found.at_rest,
            found.time,
            found.cut_short
        );
        if let Some(v) = &found.violation {
            println!("{}", v.text());
        }
    }
}
