//! Compaction as a keeper does it, on a store in memory.

use super::*;

/// So many snapshots of ten outcomes each, a moment apart.
async fn snapshots(setting: &Setting, count: i64) {
    for start in (0..count * 10).step_by(10) {
        setting.keep(start, start + 10);
        setting.keeper.store();
        assert_eq!(setting.stored_within(2 * MOMENT).await, [start + 10]);
    }
}

async fn live(setting: &Setting) -> usize {
    let chain = chain(&setting.store.store(), "reader", &clock()).await;
    chain.newest().unwrap().open.segments.len()
}

#[tokio::test(start_paused = true)]
async fn after_many_snapshots_a_manifest_lists_few_segments_and_every_outcome_is_there_once() {
    let setting = Setting::new(Stage::Running).await;
    snapshots(&setting, 150).await;
    setting.within(INTERVAL).await;
    let live = live(&setting).await;
    assert!(live < 60, "{live} segments");
    assert_glob(&setting.store.store(), 0, 1500).await;
    assert_eq!(setting.end().await, 1500);
}

#[tokio::test(start_paused = true)]
async fn a_partition_at_rest_has_as_few_files_as_it_can() {
    let setting = Setting::new(Stage::Running).await;
    snapshots(&setting, 3).await;
    setting.within(5 * INTERVAL).await;
    assert_eq!(live(&setting).await, 6);
    setting.within(10 * INTERVAL).await;
    assert_eq!(live(&setting).await, 2);
    assert_glob(&setting.store.store(), 0, 30).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_damaged_is_a_finding_and_is_left_where_it_is() {
    let setting = Setting::new(Stage::Running).await;
    let store = setting.store.store();
    snapshots(&setting, 1).await;
    let damaged = paths(&store, "events/results").await.remove(0);
    let mut bytes = store.get(&damaged, 1 << 20).await.unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    store.put(&damaged, bytes.into()).await.unwrap();
    for start in [10, 20, 30] {
        setting.keep(start, start + 10);
        setting.keeper.store();
        setting.stored_within(MOMENT).await;
    }
    setting.within(20 * INTERVAL).await;
    assert!(paths(&store, "events/results").await.contains(&damaged));
    // Of the others, one of each kind is made.
    assert_eq!(live(&setting).await, 4);
}
