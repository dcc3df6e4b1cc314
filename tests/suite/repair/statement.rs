//! `verify --statement` and `--against`: what was stored, for somebody who keeps only the statement.

use std::fs;

use super::wrong_values::store_wrong_values;
use super::{apply, flip_a_byte};
use crate::outside::{Pipeline, Place};
use crate::support::{block_on, snapback};

#[test]
fn it_holds_for_a_copy_without_kafka_and_names_what_a_repair_changed() {
    let pipeline = Pipeline::new(2, Place::folder());
    for round in 0..2 {
        for partition in 0..2 {
            pipeline.send_numbers(partition, (round * 40)..(round * 40 + 40));
        }
        pipeline.run_to_end().run().expect_code(0);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("statement.json").display().to_string();
    let stated = snapback(["verify", "--statement", &file, "--events", &pipeline.events])
        .args(pipeline.store_args())
        .run()
        .expect_code(0);
    assert!(
        stated.stdout.contains("2 partitions, 2 blocks"),
        "{stated:?}"
    );

    // Elsewhere, and while the original goes on.
    let against = ["--against", file.as_str()];
    let copy = pipeline.with_store(pipeline.store.copy());
    let compared = copy.verify_with(&against, 0);
    assert_eq!(compared["against"]["blocks"], 2, "{compared:#}");
    pipeline.send_numbers(0, 200..210);
    pipeline.run_to_end().run().expect_code(0);
    pipeline.verify_with(&against, 0);
    // Other files with the same rows.
    flip_a_byte(&pipeline.segments("results", 0)[0]);
    apply(&pipeline, 0);
    let compared = pipeline.verify_with(&against, 0);
    assert_eq!(compared["against"]["changed"], serde_json::json!([]));

    // Another value is named, although everything stored agrees with it.
    block_on(store_wrong_values(&copy, |row| row == 0));
    let compared = copy.verify_with(&["--against", &file, "--level", "coverage"], 1);
    assert_eq!(compared["clean"], true, "{compared:#}");
    let changed = compared["against"]["changed"].as_array().expect("a list");
    assert_eq!(changed.len(), 1, "{compared:#}");
    assert_eq!(changed[0]["partition"], 0);

    // Nobody relies on one that was edited, and none is written of what is not clean.
    let text = fs::read_to_string(&file).expect("the statement");
    let edited = text.replace("\"rows\":", "\"rows\":1");
    fs::write(&file, edited).expect("a writable file");
    let refused = snapback(["verify", "--against", &file, "--events", &pipeline.events])
        .args(pipeline.store_args())
        .run()
        .expect_code(2);
    assert!(refused.stderr.contains("was changed since"), "{refused:?}");
    let other = folder.path().join("other.json");
    copy.verify_with(&["--statement", &other.display().to_string()], 1);
    assert!(!other.exists());
}
