//! Processes that cannot see each other's lock files and have one host name: none fences another.

use std::path::Path;

use serde_json::{Value, json};

use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::support::process::Running;
use crate::support::{Status, eventually};

/// A process of the host whose temporary folder this is; all of them have one host name.
fn on(host: &Path, pipeline: &Pipeline) -> Running {
    let program = pipeline.run().env("TMPDIR", host);
    let session = ["-X", "session.timeout.ms=4000"];
    program.args(Status::ANYWHERE).args(session).spawn()
}

/// Waits until it has joined; the slot that it has then.
fn slot(running: &Running) -> String {
    let ready = |seen: &Value| seen["ready"] == json!(true);
    let seen = Status::of(running).wait_until(LIMIT, "a process that has joined", ready);
    let instance = seen["instance"].as_str().expect("an instance").to_owned();
    let (_, slot) = instance.rsplit_once('-').expect("a host and a slot");
    slot.to_owned()
}

#[test]
fn a_living_process_of_another_host_keeps_its_name_and_a_dead_one_gives_it_back() {
    let pipeline = Pipeline::new(2, Place::folder());
    pipeline.send_numbers(0, 0..100);
    let folders = [(); 3].map(|()| tempfile::tempdir().expect("a folder"));
    let [one, other, anew] = folders.each_ref().map(|folder| folder.path());
    let mut first = on(one, &pipeline);
    assert_eq!(slot(&first), "0");
    wait_until_committed(&pipeline, 100);
    let mut second = on(other, &pipeline);
    eventually(LIMIT, "a process that asks who has its name", || {
        let said = second.stderr_so_far();
        said.contains("that is not known on this host")
            .then_some(())
    });
    assert_eq!(slot(&second), "1");
    pipeline.send_numbers(1, 100..200);
    wait_until_committed(&pipeline, 200);
    assert!(first.is_running(), "{}", first.stderr_so_far());

    // Known by its lock file, it is back at once; on a host that does not know it, when its session has expired.
    first.kill();
    let back = on(one, &pipeline);
    assert_eq!(slot(&back), "0");
    let said = back.stderr_so_far();
    assert!(!said.contains("not known on this host"), "{said}");
    back.kill();
    let mut elsewhere = on(anew, &pipeline);
    assert_eq!(slot(&elsewhere), "0");
    pipeline.send_numbers(0, 200..300);
    wait_until_committed(&pipeline, 300);
    for running in [&mut second, &mut elsewhere] {
        running.signal(libc::SIGTERM);
    }
    second.wait(LIMIT).expect_code(0);
    elsewhere.wait(LIMIT).expect_code(0);
    pipeline.check();
}
