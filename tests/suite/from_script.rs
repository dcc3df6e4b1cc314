//! Taking over from the script that snapback replaces: the same topics, the same group, no event lost or doubled.

use std::collections::BTreeMap;

use crate::outside::{LIMIT, MALFORMED, Offsets, Outcome, Pipeline, Place};
use crate::support::process::Running;
use crate::support::{committed, create_topic, eventually_ok, produce, python, read_all};

const DOCUMENT: &str = include_str!("../../docs/from-the-script.md");

/// Starts the script on a pipeline's topics and group; the results topic must exist.
fn start_the_script(pipeline: &Pipeline) -> Running {
    let Pipeline {
        brokers,
        events,
        results,
        group,
        ..
    } = pipeline;
    let args = [brokers.as_str(), events, results, group];
    python()
        .program(include_str!("python/old_script.py"), &args)
        .spawn()
}

/// Waits until the script has dealt with so many events, then stops it as its user does.
fn let_the_script_process(pipeline: &Pipeline, events: usize) -> String {
    let mut script = start_the_script(pipeline);
    eventually_ok(LIMIT, "events that the script has processed", || {
        let skipped = script.stdout_so_far().matches("skipping bad event").count();
        let done = skipped + read_all(&pipeline.brokers, &pipeline.results).len();
        if done == events {
            Ok(())
        } else {
            Err(format!("{done}\n{}", script.stderr_so_far()))
        }
    });
    script.signal(libc::SIGTERM);
    script.wait(LIMIT).expect_code(0).stdout
}

#[test]
fn snapback_takes_over_from_the_script_in_its_group() {
    let pipeline = Pipeline::new(2, Place::folder());
    create_topic(&pipeline.brokers, &pipeline.results, 2);
    let send = |round: i64| {
        for partition in 0..2 {
            let texts = [
                "{\"number\": 1.5}",
                "{\"number\": 1e3}",
                "{\"number\": true}",
                "nothing",
            ];
            pipeline.send_numbers(partition, round * 100..round * 100 + 50);
            pipeline.send(partition, texts);
            let malformed =
                MALFORMED.map(|payload| (Some(partition), None, payload.map(<[u8]>::to_vec)));
            produce(
                &pipeline.brokers,
                &pipeline.events,
                malformed.into_iter().skip(1),
            );
        }
    };
    send(1);
    let before = pipeline.expected();
    let output = let_the_script_process(&pipeline, before.results.len() + before.rejects.len());
    assert!(
        output.contains("results in memory are gone now"),
        "{output}"
    );
    let of_the_script = read_all(&pipeline.brokers, &pipeline.results);
    assert!(of_the_script.iter().all(|record| record.key.is_none()));
    let commits = committed(&pipeline.brokers, &pipeline.group, &pipeline.events);
    let commits: BTreeMap<i32, i64> = commits
        .into_iter()
        .map(|(p, commit)| (p, commit.expect("a commit").0))
        .collect();
    assert_eq!(
        commits,
        BTreeMap::from([(0, 65), (1, 65)]),
        "the script has committed all"
    );

    send(2);
    let finished = pipeline.run_to_end().run().expect_code(0);
    let says = "was committed at 65 by another program";
    assert!(finished.stderr.contains(says), "{}", finished.stderr);
    let later = pipeline
        .expected()
        .only(|(partition, offset)| offset >= commits[&partition]);
    assert_eq!((later.results.len(), later.rejects.len()), (2 * 50, 2 * 15));
    pipeline.check_stored(&later, Offsets::default());
    // The script's own messages are still there: they alone have no key.
    let published = read_all(&pipeline.brokers, &pipeline.results);
    let without_key = published
        .iter()
        .filter(|record| record.key.is_none())
        .count();
    assert_eq!(without_key, of_the_script.len());
    pipeline.check_published_with(&later, |record| record.key.is_some());

    send(3);
    pipeline.run_to_end().run().expect_code(0);
    let later = pipeline
        .expected()
        .only(|(partition, offset)| offset >= commits[&partition]);
    pipeline.check_stored(&later, Offsets::default());
    pipeline.check_published_with(&later, |record| record.key.is_some());
}

/// A row of the table in the document.
#[derive(Debug)]
struct Row {
    event: String,
    /// What the script publishes; nothing when it skips the event.
    script: Option<String>,
    snapback: Outcome,
    /// Fields with which snapback takes it, and the result then.
    taken_with: Option<(String, String)>,
}

fn rows() -> Vec<Row> {
    let lines = DOCUMENT
        .lines()
        .skip_while(|line| !line.starts_with("|---"));
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [event, script, snapback, taken_with] = cells.as_slice() else {
        panic!("four cells: {line}")
    };
    let code = |cell: &str| -> Vec<String> {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let one = |cell: &str| {
        let [text] = code(cell)
            .try_into()
            .unwrap_or_else(|_| panic!("one value: {line}"));
        text
    };
    Row {
        event: one(event),
        script: (*script != "skipped").then(|| one(script)),
        snapback: match snapback.strip_prefix("reject ") {
            Some(reason) => Outcome::Reject(one(reason)),
            None => Outcome::Result(one(snapback)),
        },
        taken_with: match *taken_with {
            "" | "none" => None,
            _ => {
                let [fields, result] = code(taken_with)
                    .try_into()
                    .unwrap_or_else(|_| panic!("fields, result: {line}"));
                Some((fields, result))
            }
        },
    }
}

#[test]
fn the_table_of_differences_holds_for_the_script() {
    let rows = rows();
    assert!(rows.len() >= 20, "{} rows were found", rows.len());
    let pipeline = Pipeline::new(1, Place::folder());
    create_topic(&pipeline.brokers, &pipeline.results, 1);
    pipeline.send(0, rows.iter().map(|row| row.event.as_str()));
    let_the_script_process(&pipeline, rows.len());
    let published: Vec<String> = read_all(&pipeline.brokers, &pipeline.results)
        .into_iter()
        .map(|record| String::from_utf8(record.payload.expect("a value")).expect("text"))
        .collect();
    let expected: Vec<String> = rows.into_iter().filter_map(|row| row.script).collect();
    assert_eq!(published, expected);
}

#[test]
fn the_table_of_differences_holds_for_snapback() {
    let rows = rows();
    let events: Vec<&str> = rows.iter().map(|row| row.event.as_str()).collect();
    let (found, line) = outcomes_of(&events, &[]);
    for (row, found) in rows.iter().zip(found) {
        assert_eq!(found, row.snapback, "{row:?}");
    }
    // The run itself points to what would take them.
    assert!(line.contains("--fields"), "{line}");

    let mut by_fields: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for row in &rows {
        if let Some((fields, result)) = &row.taken_with {
            by_fields
                .entry(fields)
                .or_default()
                .push((&row.event, result));
        }
    }
    for (fields, rows) in by_fields {
        let events: Vec<&str> = rows.iter().map(|(event, _)| *event).collect();
        let (found, _) = outcomes_of(&events, &["--fields", fields]);
        for ((event, result), found) in rows.into_iter().zip(found) {
            assert_eq!(
                found,
                Outcome::Result(result.to_owned()),
                "{event} with {fields}"
            );
        }
    }
}

/// The outcome of each event, in order, and the line that sums rejects up.
fn outcomes_of(events: &[&str], flags: &[&str]) -> (Vec<Outcome>, String) {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send(0, events.iter().copied());
    let finished = pipeline.run_to_end().args(flags).run().expect_code(0);
    let published = pipeline.published();
    assert!(
        published
            .keys()
            .map(|(_, offset)| *offset)
            .eq(0..events.len() as i64),
        "{published:?}"
    );
    let outcomes = published.into_values().map(|outcomes| {
        let [outcome] = outcomes.try_into().expect("one outcome");
        outcome
    });
    let line = finished
        .stderr
        .lines()
        .find(|line| line.contains(" rejects: "));
    (outcomes.collect(), line.unwrap_or_default().to_owned())
}
