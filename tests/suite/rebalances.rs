//! Members come and go: whatever the moment, every partition soon has an owner, and every event is an outcome once.

use crate::outside::{LIMIT, Pipeline, Place, committed_events, wait_until_committed};
use crate::support::eventually;

#[test]
fn a_partition_on_its_way_from_a_dead_member_that_comes_back_finds_an_owner() {
    let pipeline = Pipeline::new(2, Place::folder());
    let mut sent = 0;
    let mut send = || {
        for partition in 0..2 {
            pipeline.send_numbers(partition, sent..sent + 100);
        }
        sent += 100;
        2 * sent
    };
    send();
    let mut first = pipeline
        .run()
        .args(["--instance", "first"])
        .env("FAILPOINTS", "revoked=return")
        .spawn();
    eventually(LIMIT, "both partitions at work", || {
        (committed_events(&pipeline) == 200).then_some(())
    });
    // It gives a partition back for the second one, and dies before it says so to the group.
    let mut second = pipeline.run().args(["--instance", "second"]).spawn();
    eventually(LIMIT, "the death of the first", || {
        (!first.is_running()).then_some(())
    });
    assert_eq!(first.wait(LIMIT).signal, Some(libc::SIGABRT));
    // The group takes it back as if it had never been away.
    let mut first = pipeline.run().args(["--instance", "first"]).spawn();
    wait_until_committed(&pipeline, send());
    for process in [&mut first, &mut second] {
        process.signal(libc::SIGTERM);
    }
    first.wait(LIMIT).expect_code(0);
    second.wait(LIMIT).expect_code(0);
    pipeline.check();
}
