//! What needs a person ends with 2, what may pass with 3, and a table says so.

use std::fs;
use std::path::Path;

use crate::outside::{Pipeline, Place};
use crate::sample;
use crate::support::process::Program;
use crate::support::{s3, snapback};

#[test]
fn the_table_of_the_readme_is_that_of_the_help() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("a file of the sources");
    let help = snapback(["--help"]).run().expect_code(0).stdout;
    let (_, codes) = help.split_once("Exit codes:\n").expect("a table");
    let mut lines = 0;
    for line in codes.lines().take_while(|line| !line.is_empty()) {
        let (code, meaning) = line
            .trim()
            .split_once("  ")
            .expect("a code and what it means");
        let row = format!("| {code} | {} |", meaning.trim());
        assert!(readme.contains(&row), "{row}");
        lines += 1;
    }
    assert_eq!(lines, 7);
}

/// Every command that opens the store, on one that nobody may use.
fn commands(pipeline: &Pipeline, store: &str) -> [Program; 3] {
    let open = |command: &[&str]| {
        snapback(command)
            .args(["--events", &pipeline.events, "--store", store])
            .args(["--s3-endpoint", s3().endpoint()])
    };
    [
        open(&["run", "--brokers", &pipeline.brokers]),
        open(&["verify"]),
        open(&["snapshots"]),
    ]
}

#[test]
fn credentials_that_are_missing_wrong_or_for_no_bucket_need_a_person() {
    let pipeline = Pipeline::new(1, Place::bucket(s3()));
    let bucket = pipeline.store.url();
    let good = s3().env();
    let key = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let none = Vec::new();
    let wrong = vec![
        key("AWS_ACCESS_KEY_ID", "nobody"),
        key("AWS_SECRET_ACCESS_KEY", "hush"),
    ];
    let good: Vec<_> = good
        .into_iter()
        .map(|(name, value)| key(name, &value))
        .collect();
    let with_line_ends = good
        .iter()
        .map(|(name, value)| (name.clone(), format!("{value}\n")));
    for (what, store, env, said) in [
        ("none", bucket.as_str(), none, "no credentials"),
        ("wrong", &bucket, wrong, "was denied"),
        (
            "no bucket",
            "s3://nowhere-at-all/x",
            good.clone(),
            "nowhere-at-all",
        ),
    ] {
        for program in commands(&pipeline, store) {
            let finished = program.envs(env.clone()).run().expect_code(2);
            assert!(
                finished.stderr.contains(said),
                "{what}: {}",
                finished.stderr
            );
        }
    }
    // A mounted secret with a line's end: said, and used.
    let finished = pipeline
        .run_to_end()
        .envs(with_line_ends)
        .run()
        .expect_code(0);
    let said = "the value of AWS_SECRET_ACCESS_KEY ends with a line break";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
}

#[test]
fn a_folder_that_may_not_be_written_and_a_file_in_its_place_need_a_person() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a writable folder");
    for store in [file.clone(), file.join("below")] {
        let store = store.to_str().expect("text");
        let program = snapback(["run", "--brokers", "127.0.0.1:1", "--store", store]);
        let finished = program.run().expect_code(2);
        let said = format!("{} is a file", file.display());
        assert!(finished.stderr.contains(&said), "{}", finished.stderr);
    }
}

#[test]
fn settings_of_kafka_that_cannot_work_need_a_person() {
    for (properties, said) in [
        (
            &["ssl.ca.location=/nowhere", "security.protocol=ssl"][..],
            "ssl.ca.location",
        ),
        (&["security.protocol=SASL_SSL"], "sasl.mechanism"),
        (
            &["security.protocol=SASL_SSL", "sasl.mechanism=PLAIN"],
            "sasl.username",
        ),
        (&["linger.ms=soon"], "linger.ms"),
    ] {
        for command in ["run", "produce"] {
            let flags = properties.iter().flat_map(|property| ["-X", property]);
            let program = snapback([command, "--brokers", "127.0.0.1:1"]).args(flags);
            let finished = program.run().expect_code(2);
            assert!(
                finished.stderr.contains(said),
                "{command}: {}",
                finished.stderr
            );
        }
    }
}

#[test]
fn too_many_open_files_are_no_damage() {
    let store = sample::copy();
    let verify = store.snapback(&["verify"]);
    let limited = |files: usize| {
        let script = format!("ulimit -n {files}; exec \"$@\"");
        Program::new("sh")
            .args(["-c", &script, "sh"])
            .args(verify.line())
    };
    let said = |text: &str| {
        text.contains("it could not be checked") && text.contains("too many files are open")
    };
    let mut unchecked = 0;
    for files in 16..48 {
        let finished = limited(files).run();
        match finished.code {
            Some(0) => {}
            Some(3) if said(&finished.stderr) => unchecked += 1,
            // Whoever starts it may hand down files of their own.
            Some(3) if finished.stderr.contains("cannot start the runtime") => {}
            _ => panic!("with {files} files: {finished:?}"),
        }
    }
    assert!(unchecked > 0);
    for files in 5..16 {
        let finished = limited(files).run().expect_code(2);
        let said = format!("may have {files} files open, and needs 16 to start");
        assert!(finished.stderr.contains(&said), "{finished:?}");
    }
}
