//! The digest of itself that stands in a segment's footer, so that a file whose manifest was lost can be told to be whole.
//!
//! It is the SHA-256 of the file in which the 64 digits of this digest are zeros. So it covers the footer as well.

use crate::model::Digest;

/// The key of the footer's metadata.
pub(super) const KEY: &str = "snapback.digest";
/// What stands there until the digest is known.
pub(super) const UNKNOWN: &str =
    "sha256:0000000000000000000000000000000000000000000000000000000000000000";
/// The footer's length and the magic number end a Parquet file.
const TAIL: usize = 8;

/// Puts the digest in its place in a file that has [`UNKNOWN`] there; `None` when it has not.
pub(super) fn write(file: &mut [u8]) -> Option<()> {
    let at = find(file, KEY, UNKNOWN)?;
    let digest = Digest::of(file).to_string();
    file[at..at + UNKNOWN.len()].copy_from_slice(digest.as_bytes());
    Some(())
}

/// The digest of a file that states `stated` in its metadata; `None` when it does not.
pub(super) fn actual(file: &[u8], stated: Digest) -> Option<Digest> {
    let at = find(file, KEY, &stated.to_string())?;
    let (before, rest) = file.split_at(at);
    let after = &rest[UNKNOWN.len()..];
    Some(Digest::of_parts([before, UNKNOWN.as_bytes(), after]))
}

/// Where the value of a key stands in the footer of a file, of which no more than the end is needed.
pub(super) fn find(file: &[u8], key: &str, value: &str) -> Option<usize> {
    let tail = file.len().checked_sub(TAIL)?;
    let length: [u8; 4] = file.get(tail..tail + 4)?.try_into().ok()?;
    let start = tail.checked_sub(usize::try_from(u32::from_le_bytes(length)).ok()?)?;
    let footer = &file[start..tail];
    let place = |text: &str, from: usize| {
        let text = text.as_bytes();
        let mut windows = footer.get(from..)?.windows(text.len());
        windows
            .position(|window| window == text)
            .map(|at| from + at)
    };
    let at = place(key, 0)?;
    place(value, at + key.len()).map(|at| start + at)
}
