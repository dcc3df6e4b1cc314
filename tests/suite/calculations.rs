//! Stores that were written under several calculations, or under one that the program does not have.

use serde_json::{Value, json};

use crate::cli::own_calculation;
use crate::outside::{Pipeline, Place, in_a_shell};
use crate::recalculation::{EVENTS, NEW, OLD};

fn kinds(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().expect("a list").iter();
    findings
        .map(|finding| finding["kind"].as_str().expect("a kind"))
        .collect()
}

#[test]
fn a_store_of_several_calculations_is_proven_without_a_flag() {
    let pipeline = Pipeline::new(1, Place::folder());
    for calculation in [OLD, NEW] {
        pipeline.send(0, EVENTS);
        pipeline.run_to_end().args(calculation).run().expect_code(0);
    }
    let report = pipeline.verify(0);
    assert_eq!(report["findings"], json!([]));
    assert_eq!(report["not_compared"], 0);
    let compared = report["calculations"].as_array().expect("a list");
    let mut outcomes: Vec<_> = compared
        .iter()
        .map(|with| json!([with["calculation"], with["outcomes"]]))
        .collect();
    outcomes.sort_by_key(Value::to_string);
    let texts = [OLD[3], NEW[3]].map(|text| json!([text, 5]));
    assert_eq!(outcomes, texts);
    // Who says which it should be is told of the other, and how to bring it under this one.
    let report = pipeline.verify_with(&NEW, 0);
    assert_eq!(kinds(&report), ["other-calculation"]);
    let remedy = report["findings"][0]["remedy"].as_str().expect("text");
    for part in [
        format!("--events {}", pipeline.events),
        format!("--store {}", pipeline.store.url()),
        format!("--calculation '{}'", NEW[3]),
        "snapback run".to_owned(),
        "`--on-new-calculation recalculate`".to_owned(),
    ] {
        assert!(remedy.contains(&part), "{part} is not in {remedy}");
    }
}

/// Outcomes of a calculation that only another program has.
pub fn of_another_program() -> Pipeline {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send(
        0,
        [r#"{"fahrenheit": 212}"#, r#"{"fahrenheit": -500}"#, "32"],
    );
    let flags = ["--fields", "fahrenheit DOUBLE NOT NULL"];
    let line = pipeline.run_to_end().args(flags).line();
    let line: Vec<_> = line[1..]
        .iter()
        .map(|arg| arg.to_str().expect("text"))
        .collect();
    let own = own_calculation(&line).args(["--calculation", "celsius"]);
    own.run().expect_code(0);
    pipeline
}

#[test]
fn a_calculation_that_the_program_does_not_have_is_not_compared_and_not_clean() {
    let pipeline = of_another_program();
    let report = pipeline.verify(1);
    assert_eq!(
        json!([
            report["clean"],
            report["not_compared"],
            report["results"],
            report["rejects"]
        ]),
        json!([false, 3, 1, 2])
    );
    assert_eq!(kinds(&report), ["not-compared"]);
    let remedy = report["findings"][0]["remedy"].as_str().expect("text");
    let command = format!(
        "`snapback verify --events {} --store {}`",
        pipeline.events,
        pipeline.store.url()
    );
    assert!(remedy.contains(&command), "{remedy}");
    // As it is printed, by the program that has the calculation, it proves the store.
    let program = own_calculation(&[]).line().remove(0);
    let program = program.to_str().expect("text");
    let command = command.trim_matches('`').replacen("snapback", program, 1);
    in_a_shell(&command).run().expect_code(0);
}
