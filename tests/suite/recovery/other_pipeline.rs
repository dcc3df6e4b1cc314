//! The store belongs to another pipeline, or to a topic that is not there any more: refused.

use super::*;

#[test]
fn the_store_of_another_group_is_refused() {
    let pipeline = stored(20);
    let mut other = pipeline.with_store(pipeline.store.beside(""));
    other.group = unique("group");
    let refusal = refused("other-group", &other, &[]);
    send_more(&pipeline, 10);
    refusal.resolve_with(&format!("--group {}", pipeline.group));
    pipeline.check();

    // Or with a store of its own, and then everything is published by this group too.
    refusal.begin_anew();
    let fresh = other.with_store(other.store.beside("-2"));
    fresh.check_stored(&fresh.expected(), lost(0));
}

#[test]
fn the_store_of_another_results_topic_is_refused() {
    let pipeline = stored(20);
    let mut other = pipeline.with_store(pipeline.store.beside(""));
    other.results = unique("results");
    let refusal = refused("other-results-topic", &other, &[]);
    refusal.resolve_with(&format!("--results {}", pipeline.results));
    pipeline.check();
}

#[test]
fn a_recreated_events_topic_is_refused() {
    let pipeline = stored(20);
    delete_topic(&pipeline.brokers, &pipeline.events);
    create_topic(&pipeline.brokers, &pipeline.events, 1);
    pipeline.send_numbers(0, 100..130);
    let refusal = refused("recreated-topic", &pipeline, &[]);
    refusal.begin_anew();
    let fresh = pipeline.fresh(&["group", "store"]);
    fresh.check_stored(&fresh.expected(), lost(0));
    // Nothing of the old history was touched.
    assert_eq!(pipeline.verify(0)["results"], 20);
}

#[test]
fn a_results_topic_with_another_number_of_partitions_is_refused() {
    let pipeline = stored(20);
    delete_topic(&pipeline.brokers, &pipeline.results);
    create_topic(&pipeline.brokers, &pipeline.results, 2);
    let refusal = refused("results-partitions", &pipeline, &[]);
    refusal.begin_anew();
    let fresh = pipeline.fresh(&["group", "store", "results"]);
    fresh.check_stored(&fresh.expected(), lost(0));
}

#[test]
fn the_store_of_another_cluster_is_refused() {
    let pipeline = stored(20);
    let broker = Kafka::start(&[]);
    let mut elsewhere = pipeline.with_store(pipeline.store.beside(""));
    elsewhere.brokers = broker.brokers().to_owned();
    create_topic(&elsewhere.brokers, &elsewhere.events, 1);
    elsewhere.send_numbers(0, 100..110);
    let refusal = refused("other-cluster", &elsewhere, &[]);
    refusal.begin_anew();
    elsewhere.fresh(&["group", "store"]).check();
}
