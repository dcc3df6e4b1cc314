//! The metadata of commits, which anybody with access to the group can write.

use snapback::model::Offset;
use snapback::recovery::{Authored, CommitMetadata, MAX_METADATA_BYTES};

/// Any text as the metadata of a commit at the offset that it states itself, and of one elsewhere.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    assert_eq!(
        CommitMetadata::parse(None, Offset::ZERO),
        Authored::Stranger
    );
    let stated = serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .and_then(|value| Offset::new(value.get("offset")?.as_i64()?));
    for committed in [Offset::ZERO, stated.unwrap_or(Offset::ZERO)] {
        let Authored::Ours(metadata) = CommitMetadata::parse(Some(text), committed) else {
            continue;
        };
        assert_eq!(metadata.offset, committed);
        let written = metadata.encode();
        let Authored::Ours(again) = CommitMetadata::parse(Some(&written), committed) else {
            panic!("what we write is ours: {written}");
        };
        // A text that is too long loses what only people read, and nothing else.
        assert_eq!(
            (
                again.offset,
                &again.fingerprint,
                again.head,
                again.outcomes,
                again.lost
            ),
            (
                metadata.offset,
                &metadata.fingerprint,
                metadata.head,
                metadata.outcomes,
                metadata.lost
            )
        );
        assert_eq!(again.corrections, metadata.corrections);
        if text.len() < MAX_METADATA_BYTES {
            assert!(written.len() < MAX_METADATA_BYTES, "{written}");
        }
    }
}
