//! A process that waits for its partitions, because the group is dividing them, while the group has committed everything.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::outside::LIMIT;
use crate::recovery::stored;
use crate::support::eventually;

#[test]
fn a_run_to_the_end_does_not_end_before_it_has_looked_at_its_partitions() {
    let pipeline = stored(10);
    // A member that does not take part in the next division until it ends.
    let other: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &pipeline.brokers)
        .set("group.id", &pipeline.group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        // It would hear of the division from a heartbeat, and take part without being polled.
        .set("heartbeat.interval.ms", "40000")
        .create()
        .expect("a client");
    other
        .subscribe(&[&pipeline.events])
        .expect("a subscription");
    eventually(LIMIT, "a partition of the other member", || {
        other.poll(Duration::from_millis(100));
        (other.assignment().expect("an assignment").count() > 0).then_some(())
    });

    let emptied = pipeline.with_store(pipeline.store.beside("-emptied"));
    let mut running = emptied.run_to_end().spawn();
    eventually(LIMIT, "a second member", || {
        let groups = other.fetch_group_list(Some(&pipeline.group), LIMIT);
        let members = groups.expect("the group").groups()[0].members().len();
        (members == 2).then_some(())
    });
    let joined = Instant::now();
    while joined.elapsed() < Duration::from_secs(2) {
        assert!(
            running.is_running(),
            "it has not seen its store:\n{}",
            running.stderr_so_far()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(other);
    let refused = running.wait(LIMIT).expect_code(4);
    assert!(refused.stderr.contains("--store"), "{}", refused.stderr);
}
