//! Whoever reads the log or the output may end, stop, or have a full disk: the work goes on, signals are heard, and exit
//! codes stay.

use std::fs::File;
use std::io::{self, Write as _};
use std::process::Stdio;
use std::time::Duration;

use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::sample;
use crate::support::process::Program;
use crate::support::{Port, Status, snapback};

/// A pipe whose reader has ended.
fn without_reader() -> Stdio {
    let (_, writer) = io::pipe().expect("a pipe");
    writer.into()
}

fn full_disk() -> Stdio {
    let disk = File::options().write(true).open("/dev/full");
    disk.expect("a device that is always full").into()
}

/// Works off some events with this stderr, and ends as it should when it is told to.
fn processes_with_stderr(stderr: Stdio) {
    let pipeline = Pipeline::new(2, Place::folder());
    pipeline.send_numbers(0, 0..50);
    let port = Port::reserve().expect("a port");
    let mut running = pipeline
        .run()
        .args(["--status", &format!("127.0.0.1:{}", port.number())])
        .args(["--snapshot-interval", "200ms"])
        .stderr_to(stderr)
        .spawn();
    let status = Status::at(port.number());
    wait_until_committed(&pipeline, 50);
    pipeline.send_numbers(1, 50..100);
    wait_until_committed(&pipeline, 100);
    status.wait_until(LIMIT, "everything stored", |seen| {
        let partitions = seen["partitions"].as_array().expect("a list");
        partitions.len() == 2
            && partitions
                .iter()
                .all(|one| one["frontier"] == one["log_end"])
    });
    assert!(status.metric("snapback_log_lines_dropped_total") > 0.0);
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    pipeline.check();
}

#[test]
fn a_log_whose_reader_has_ended_stops_nothing() {
    processes_with_stderr(without_reader());
}

#[test]
fn a_log_on_a_full_disk_stops_nothing() {
    processes_with_stderr(full_disk());
}

#[test]
fn a_log_whose_reader_takes_nothing_stops_nothing() {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    writer.write_all(&[b'.'; 1 << 16]).expect("room in a pipe");
    processes_with_stderr(writer.into());
    drop(reader);
}

#[test]
fn without_stdout_and_stderr_it_ends_as_with_them() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..20);
    let run = pipeline.run_to_end();
    let closed = Program::new("sh")
        .args(["-c", "exec \"$@\" >&- 2>&-", "sh"])
        .args(run.line())
        .limit(LIMIT);
    closed.run().expect_code(0);
    pipeline.check();

    pipeline.send_numbers(0, 20..40);
    let run = pipeline.run_to_end().stdout_to(without_reader());
    run.stderr_to(without_reader()).run().expect_code(0);
    pipeline.check();
}

#[test]
fn an_error_that_nobody_hears_keeps_its_code() {
    for stderr in [without_reader(), full_disk()] {
        let program = snapback(["run", "--workers", "none"]).stderr_to(stderr);
        program.limit(Duration::from_secs(10)).run().expect_code(2);
    }
}

#[test]
fn a_reader_that_has_read_enough_changes_no_exit_code() {
    let whole = sample::copy();
    let verify = |store: &str| snapback(["verify", "--events", "sample", "--store", store]);
    for args in [&["-o", "table"], &["-o", "json"]] {
        let program = verify(whole.url()).args(*args).stdout_to(without_reader());
        let stderr = program.run().expect_code(0).stderr;
        assert!(stderr.is_empty(), "{stderr}");
    }
    let damaged = sample::copy();
    damaged.flip_a_byte();
    for stdout in [without_reader(), full_disk()] {
        verify(damaged.url()).stdout_to(stdout).run().expect_code(1);
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let store = sample::copy();
    for command in [
        &["snapshots", "--events", "sample"][..],
        &["verify", "--events", "sample"],
        &["config"],
        &["completions", "bash"],
    ] {
        let program = snapback(command).env("SNAPBACK_STORE", store.url());
        let finished = program.stdout_to(full_disk()).run().expect_code(3);
        assert!(
            finished
                .stderr
                .contains("standard output cannot be written"),
            "{command:?}: {}",
            finished.stderr
        );
    }
}
