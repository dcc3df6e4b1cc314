//! What a scrub knows of earlier rounds, as it is stored and read.

use chrono::Utc;

use crate::{
    audit::tests::fixture::{newest, sample},
    format::{Listed, Verified},
};

#[tokio::test]
async fn it_is_stored_and_read_and_anything_else_is_as_good_as_none() {
    let newest = Listed::open_list_of(&newest(&sample().await, 0).await);
    let now = Utc::now();
    let mut verified = Verified::default();
    verified.follow(&newest, now);
    assert_eq!(verified.since(&newest), None);
    verified.mark(&newest.open.segments[1..], now, 2);
    assert_eq!(verified.since(&newest), None, "one never was");
    verified.mark(&newest.open.segments[..1], now, 0);
    assert_eq!(verified.since(&newest), Some(now));
    let read = Verified::decode(&verified.encode());
    assert_eq!(read.since(&newest), Some(now));
    for damaged in [&b""[..], b"{}", b"[1]", br#"{"format":2,"segments":{}}"#] {
        assert_eq!(Verified::decode(damaged), Verified::default());
    }
    // What is live no more is forgotten.
    let mut fewer = newest.manifest().clone();
    fewer.open.segments.truncate(1);
    verified.follow(&Listed::open_list_of(&fewer), now);
    let [first, rest @ ..] = &newest.open.segments[..] else {
        panic!("several segments");
    };
    assert!(verified.get(first).is_some());
    assert!(rest.iter().all(|segment| verified.get(segment).is_none()));
}
