use super::*;

fn header(name: &str, value: &[u8]) -> Header {
    (name.to_owned(), Some(value.to_vec()))
}

fn letter<'a>(key: &'a [u8], payload: &'a [u8], original: usize) -> DeadLetter<'a> {
    DeadLetter {
        key: Some(key),
        payload: Some(payload),
        original: vec![header("trace", &vec![b'x'; original])],
        headers: vec![header("snapback-offset", b"42")],
    }
}

fn value<'l>(letter: &'l DeadLetter<'_>, name: &str) -> Option<&'l str> {
    let header = letter.headers.iter().find(|(found, _)| found == name)?;
    std::str::from_utf8(header.1.as_deref()?).ok()
}

#[test]
fn a_letter_that_fits_is_left_alone() {
    let fits = letter(b"key", b"payload", 10);
    assert_eq!(fits.clone().fit(1_000, None), fits);
}

#[test]
fn a_large_payload_loses_its_end_and_says_so() {
    let payload = vec![b'p'; 5_000];
    let cut = letter(b"key", &payload, 10).fit(2_000, None);
    assert_eq!(cut.bytes(), 2_000);
    assert!(
        cut.payload
            .is_some_and(|rest| rest.len() > 1_000 && payload.starts_with(rest))
    );
    assert_eq!(value(&cut, "snapback-payload-bytes"), Some("5000"));
    let digest = Digest::of(&payload).to_string();
    assert_eq!(
        value(&cut, "snapback-payload-digest"),
        Some(digest.as_str())
    );
    assert_eq!((cut.original.len(), cut.key), (1, Some(&b"key"[..])));
}

#[test]
fn headers_go_before_the_key() {
    let (key, payload) = (vec![b'k'; 600], vec![b'p'; 5_000]);
    let cut = letter(&key, &payload, 3_000).fit(2_000, None);
    assert!(cut.bytes() <= 2_000 && cut.original.is_empty());
    assert_eq!(value(&cut, "snapback-headers-left-out"), Some("1"));
    assert_eq!(cut.key, Some(&key[..]));
    let key = vec![b'k'; 4_000];
    let cut = letter(&key, &payload, 3_000).fit(2_000, None);
    assert!(cut.bytes() <= 2_000 && cut.key.is_none());
    assert_eq!(value(&cut, "snapback-key-bytes"), Some("4000"));
    assert!(cut.payload.is_some_and(|rest| !rest.is_empty()));
}

#[test]
fn where_a_key_is_needed_the_source_is_one_and_a_header_says_so() {
    let source = Some("events/3/42");
    let keyless = DeadLetter {
        key: None,
        ..letter(b"", b"payload", 10)
    };
    let made = keyless.clone().fit(1_000, source);
    assert_eq!(made.key, Some(&b"events/3/42"[..]));
    assert_eq!(value(&made, "snapback-key-made-of"), Some("source"));
    assert_eq!(keyless.clone().fit(1_000, None), keyless);
    let keyed = letter(b"key", b"payload", 10);
    assert_eq!(keyed.clone().fit(1_000, source), keyed);
    // Also when the event's own key has no room.
    let (key, payload) = (vec![b'k'; 4_000], vec![b'p'; 5_000]);
    let cut = letter(&key, &payload, 3_000).fit(2_000, source);
    assert!(cut.bytes() <= 2_000 && cut.key == Some(&b"events/3/42"[..]));
    assert_eq!(value(&cut, "snapback-key-bytes"), Some("4000"));
    assert_eq!(value(&cut, "snapback-key-made-of"), Some("source"));
}

#[test]
fn headers_that_no_client_reads_are_said_to_be_missing() {
    let reject = Reject {
        offset: Offset::ZERO,
        timestamp: None,
        key: None,
        payload: Some(b"payload".to_vec()),
        reason: "not-json: x".to_owned(),
    };
    let whole = DeadLetter::new(&reject, Some(vec![header("trace", b"x")]), Vec::new());
    assert_eq!(value(&whole, "snapback-headers-left-out"), None);
    let unread = DeadLetter::new(&reject, None, Vec::new());
    assert_eq!(value(&unread, "snapback-headers-left-out"), Some("all"));
    assert!(unread.original.is_empty());
}
