//! `snapback demo`: the story ends well, damage is found, and nothing of it is left behind but its folder.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use super::outside::in_a_shell;
use super::support::{Program, eventually, heavy, kafka, process::Running, python, snapback};

/// On a busy machine; on an idle one a demo takes less than ten seconds.
const LIMIT: Duration = Duration::from_secs(180);

fn demo(folder: &Path, args: &[&str]) -> Program {
    snapback(["demo"])
        .args(args)
        .current_dir(folder)
        .limit(LIMIT)
}

/// The number in the row of the table that begins with `name`.
#[track_caller]
fn row(table: &str, name: &str) -> u64 {
    let found = table
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(name));
    let number = found.and_then(|rest| rest.split_whitespace().next());
    let number = number.unwrap_or_else(|| panic!("no row {name:?} in:\n{table}"));
    number
        .replace(',', "")
        .parse()
        .unwrap_or_else(|_| panic!("{name}: {number}"))
}

#[test]
fn the_demo_tells_its_story_and_leaves_snapshots_that_duckdb_and_verify_confirm() {
    let _turn = heavy();
    let folder = tempfile::tempdir().unwrap();
    let finished = demo(folder.path(), &[]).run().expect_code(0);
    let story = &finished.stderr;
    for part in [
        "at-least-once",
        "kill -9",
        "in the processor's memory only, and are gone",
        "were replayed from the log",
        "Everything is processed and in snapshots",
    ] {
        assert!(story.contains(part), "{part:?} is not in:\n{story}");
    }
    assert!(
        !story.contains('\x1b') && !finished.stdout.contains('\x1b'),
        "colours in a pipe"
    );

    let table = &finished.stdout;
    assert_eq!(row(table, "events  "), 200_000);
    assert_eq!(row(table, "results") + row(table, "rejects"), 200_000);
    assert!((100..400).contains(&row(table, "rejects")));
    assert_eq!((row(table, "absent"), row(table, "lost")), (0, 0));
    for reason in [
        "not-json",
        "not-utf8",
        "null-payload",
        "fraction",
        "out-of-range",
    ] {
        assert!(row(table, reason) > 0);
    }
    assert!(
        row(table, "snapshots") >= 8 && row(table, "segments") >= 16 && row(table, "events/s") > 0
    );
    assert!(row(table, "published twice") < 100_000);
    assert!(!table.contains("NOT TRUE"), "{table}");

    // The lines that it suggests work where it was run.
    let queries: Vec<&str> = table
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("SELECT"))
        .collect();
    assert_eq!(queries.len(), 3);
    let script =
        "import sys, duckdb\nfor query in sys.argv[1:]: print(len(duckdb.sql(query).fetchall()))";
    let counted = printed_rows(python().program(script, &queries), folder.path(), script);
    assert_eq!(counted, "8\n5\n20\n");
    let total = "import duckdb\nprint(duckdb.sql(\"SELECT count(*) FROM read_parquet('snapback-demo/events/results/partition=*/*.parquet')\").fetchall()[0][0])";
    let counted = printed_rows(python().program(total, &[]), folder.path(), total);
    assert_eq!(
        counted.trim().parse::<u64>().unwrap(),
        row(table, "results")
    );
    let verified = snapback(["verify", "--store", "./snapback-demo"]).current_dir(folder.path());
    verified.run().expect_code(0);
}

#[test]
fn a_calculation_and_a_condition_of_ones_own_are_checked_to_the_last_event() {
    let _turn = heavy();
    let folder = tempfile::tempdir().unwrap();
    let calculation = "100 div (number % 10) AS share, number % 10 AS \"last digit\"";
    let flags = [
        "--calculation",
        calculation,
        "--where",
        "number >= -500000000",
    ];
    let finished = demo(folder.path(), &[&flags[..], &["--count", "20000"]].concat())
        .run()
        .expect_code(0);
    let table = &finished.stdout;
    assert!(!table.contains("NOT TRUE"), "{table}");
    let counts = ["results", "rejects", "filtered"].map(|name| row(table, name));
    assert_eq!(counts.iter().sum::<u64>(), 20_000);
    // A quarter of the numbers is left out, a tenth of the rest has no share.
    assert!((4_500..5_500).contains(&counts[2]), "{table}");
    assert!(
        (1_300..1_700).contains(&row(table, "division-by-zero")),
        "{table}"
    );
    // The command that it suggests prints a query, which finds nothing.
    let command = table
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("snapback calculation"));
    let query = in_a_shell(command.unwrap())
        .current_dir(folder.path())
        .run();
    let query = query.expect_code(0).stdout;
    let script = "import sys, duckdb\nprint(duckdb.sql(sys.argv[1]).fetchall())";
    let differing = printed_rows(python().program(script, &[&query]), folder.path(), script);
    assert_eq!(differing, "[]\n");

    let told = demo(folder.path(), &["--calculation", "nummer * 2"])
        .run()
        .expect_code(2);
    assert!(
        told.stderr.contains("did you mean number?"),
        "{}",
        told.stderr
    );
}

#[test]
fn what_is_damaged_while_the_processor_runs_is_mended_and_corrected_once() {
    let _turn = heavy();
    let folder = tempfile::tempdir().unwrap();
    let finished = demo(folder.path(), &["--damage", "--count", "50000"])
        .run()
        .expect_code(0);
    let story = &finished.stderr;
    for (part, times) in [
        ("a bit of events/results", 1),
        ("now, it was", 1),
        ("Found and mended by the running processor", 2),
        ("the last one as a correction", 1),
        ("1 correction is published", 1),
    ] {
        assert_eq!(story.matches(part).count(), times, "{part:?} in:\n{story}");
    }
    assert!(!finished.stdout.contains("NOT TRUE"), "{finished:?}");
    let verified = snapback(["verify", "--store", "./snapback-demo"]).current_dir(folder.path());
    verified.run().expect_code(0);
}

/// Runs a Python program in `folder`, where it finds its script.
fn printed_rows(program: Program, folder: &Path, script: &str) -> String {
    program
        .current_dir(folder)
        .file("script.py", script)
        .run()
        .expect_code(0)
        .stdout
}

/// A demo in a folder that an earlier one left, stopped before its checks.
fn waiting_for_enter(folder: &Path) -> Running {
    let mut running = demo(folder, &["--count", "50000", "--pause-before-checks"])
        .open_stdin()
        .spawn();
    eventually(LIMIT, "the pause before the checks", || {
        let ended = !running.is_running();
        assert!(!ended, "it ended early:\n{}", running.stderr_so_far());
        running
            .stderr_so_far()
            .contains("Press Enter")
            .then_some(())
    });
    running
}

fn segments(folder: &Path, partition: u32) -> Vec<PathBuf> {
    let place = folder.join(format!(
        "snapback-demo/events/results/partition={partition}"
    ));
    let mut files: Vec<PathBuf> = fs::read_dir(place)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn damage_between_the_processing_and_the_checks_ends_in_code_1_and_is_named() {
    let _turn = heavy();
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("snapback-demo");
    fs::create_dir_all(old.join("events")).unwrap();
    fs::write(old.join(".snapback-demo"), "").unwrap();
    fs::write(old.join("events/old"), "").unwrap();

    let mut running = waiting_for_enter(folder.path());
    assert!(
        !old.join("events/old").exists(),
        "the earlier demo was not replaced"
    );
    // One bit in one file; a whole file gone; a file that counts twice.
    let flipped = segments(folder.path(), 3).remove(0);
    let mut bytes = fs::read(&flipped).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&flipped, bytes).unwrap();
    let removed = segments(folder.path(), 4).remove(0);
    fs::remove_file(&removed).unwrap();
    let copied = segments(folder.path(), 5).remove(0);
    let name = copied.file_name().unwrap().to_str().unwrap();
    let doubled = format!(
        "{}-deadbeef.parquet",
        &name[.."00000000000000000000-00000000000000000000".len()]
    );
    fs::copy(&copied, copied.with_file_name(doubled)).unwrap();

    running.enter();
    let finished = running.wait(LIMIT).expect_code(1);
    let text = &finished.stdout;
    for named in [&flipped, &removed] {
        let name = named.file_name().unwrap().to_str().unwrap();
        assert!(text.contains(name), "{name} is not named:\n{text}");
    }
    for part in [
        "NOT TRUE: each event is in the snapshots exactly once",
        "NOT TRUE: `snapback verify --level published` finds nothing",
        "digest-mismatch",
        "missing-segment",
        "orphan",
        "2 of 7 checks failed",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert!(
        !text.contains("SELECT"),
        "nothing is to be tried on a damaged folder:\n{text}"
    );
}

#[test]
fn a_folder_that_no_demo_made_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let thesis = folder.path().join("snapback-demo");
    fs::create_dir(&thesis).unwrap();
    fs::write(thesis.join("chapter-1"), "years of work").unwrap();
    let finished = demo(folder.path(), &[]).run().expect_code(2);
    assert!(
        finished.stderr.contains("snapback-demo") && finished.stderr.contains("--dir"),
        "{}",
        finished.stderr
    );
    assert_eq!(fs::read_dir(&thesis).unwrap().count(), 1);
}

#[test]
fn interrupted_it_ends_with_code_130_and_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let mut running = demo(folder.path(), &[]).spawn();
        let processor = eventually(LIMIT, "the processor's start", || {
            let story = running.stderr_so_far();
            let (_, rest) = story.split_once("(process ")?;
            rest.split_once(')')?.0.parse::<u32>().ok()
        });
        let children = children(running.id());
        assert!(
            children.contains(&processor) && children.len() == 2,
            "{children:?}"
        );
        running.signal(signal);
        running.wait(Duration::from_secs(30)).expect_code(130);
        for child in children {
            assert!(
                !Path::new(&format!("/proc/{child}")).exists(),
                "process {child} is left"
            );
        }
    }
}

/// The processes that `parent` has started.
fn children(parent: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let children = tasks
        .map(|task| fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default());
    let children: Vec<String> = children.collect();
    children
        .iter()
        .flat_map(|list| list.split_whitespace())
        .map(|id| id.parse().unwrap())
        .collect()
}

#[test]
fn on_a_real_broker_it_is_exactly_once() {
    let _turn = heavy();
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "--brokers",
        kafka().brokers(),
        "--count",
        "100000",
        "-o",
        "json",
    ];
    let finished = demo(folder.path(), &args).run().expect_code(0);
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(report["passed"], true);
    assert_eq!(report["exactly_once"], true);
    assert_eq!(report["totals"]["events"], 100_000);
    assert_eq!(report["totals"]["published_twice"], 0);
    assert!(
        report["lost_in_memory"].as_u64().unwrap() > 0,
        "the kill took nothing: {report}"
    );
}
