//! A worker that hangs, as the status shows it. Tests start in the order of their names: this one waits for more than a minute,
//! so it starts first, and the others run meanwhile.

use crate::outside::{LIMIT, Pipeline, Place, wait_until_committed};
use crate::support::{Status, eventually};

#[test]
fn it_is_unhealthy_after_a_minute_until_it_goes_on() {
    let pipeline = Pipeline::new(1, Place::folder());
    let run = pipeline.run().args(Status::ANYWHERE);
    let mut running = run.env("FAILPOINTS", "calculated=1*sleep(70000)").spawn();
    let status = Status::of(&running);
    status.wait_until(LIMIT, "a partition", |seen| {
        seen["partitions"][0]["phase"] == "running"
    });
    assert_eq!(status.get("/healthz").code, 200);
    pipeline.send_numbers(0, 0..10);
    let dead = eventually(LIMIT, "a dead worker", || {
        Some(status.get("/healthz")).filter(|health| health.code == 503)
    });
    assert!(
        dead.body
            .starts_with("not healthy: worker 0 has shown no sign of life for 6"),
        "{dead:?}"
    );
    assert_eq!(status.seen()["healthy"], false);
    eventually(LIMIT, "a worker that goes on", || {
        (status.get("/healthz").code == 200).then_some(())
    });
    wait_until_committed(&pipeline, 10);
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    pipeline.check();
}
