//! What a scrub knows of earlier rounds, as it is stored and read.

use chrono::Utc;

use crate::{
    audit::tests::fixture::{newest, sample},
    format::Verified,
};

#[tokio::test]
async fn it_is_stored_and_read_and_anything_else_is_as_good_as_none() {
    let newest = newest(&sample().await, 0).await;
    let now = Utc::now();
    let mut verified = Verified::default();
    verified.follow(&newest, now);
    assert_eq!(verified.since(&newest), None);
    verified.mark(&newest.open.segments[1..], None, now, 2);
    assert_eq!(verified.since(&newest), None, "one never was");
    verified.mark(&newest.open.segments[..1], None, now, 0);
    assert_eq!(verified.since(&newest), Some(now));
    let read = Verified::decode(&verified.encode());
    assert_eq!(read.since(&newest), Some(now));
    for damaged in [&b""[..], b"{}", b"[1]", br#"{"format":2,"segments":{}}"#] {
        assert_eq!(Verified::decode(damaged), Verified::default());
    }
    // What is live no more is forgotten.
    let mut fewer = newest.clone();
    fewer.open.segments.truncate(1);
    verified.follow(&fewer, now);
    assert_eq!(verified.entries(), 1);
}
