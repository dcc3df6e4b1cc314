//! What is refused on reading, though somebody made it look right.

use proptest::prelude::*;

use super::*;

#[test]
fn overlapping_segments_are_refused_on_reading() {
    let mut manifest = second();
    let over = range(105, 110);
    manifest
        .open
        .segments
        .push(segment(SegmentKind::Results, over, 0, 9));
    let (_, sealed) = codec::seal(manifest);
    let error = Manifest::decode(&sealed).unwrap_err();
    assert!(error.to_string().contains("wrong place"), "{error}");
}

#[test]
fn a_newer_format_is_told_apart_whatever_follows_if_its_digest_holds() {
    let newer = "{\n\"format_version\":2,\nno json at all\n";
    let digest = Digest::of(newer.as_bytes());
    let sealed = format!("{newer}\"digest\":\"{digest}\"\n}}\n");
    assert!(Manifest::decode(sealed.as_bytes()).unwrap_err().is_newer());
    let damaged = sealed.replace("all", "alL");
    assert!(!Manifest::decode(damaged.as_bytes()).unwrap_err().is_newer());
    let text = String::from_utf8(second().encode().to_vec()).unwrap();
    let flipped = text.replace("\"format_version\":1", "\"format_version\":3");
    assert!(!Manifest::decode(flipped.as_bytes()).unwrap_err().is_newer());
    assert!(!Manifest::decode(b"{}").unwrap_err().is_newer());
    assert!(!Manifest::decode(b"").unwrap_err().is_newer());
}

#[test]
fn a_path_that_leaves_the_store_is_refused_though_the_digest_is_right() {
    let text = String::from_utf8(second().encode().to_vec()).unwrap();
    for bad in [
        "../../etc/partition=3",
        "other/results/partition=3",
        "events/results/partition=4",
    ] {
        let changed = text.replace("events/results/partition=3", bad);
        let body = &changed[..changed.rfind("\"digest\":\"").unwrap()];
        let sealed = format!("{body}\"digest\":\"{}\"\n}}\n", Digest::of(body.as_bytes()));
        let error = Manifest::decode(sealed.as_bytes()).unwrap_err();
        assert!(matches!(
            error,
            codec::ManifestError::Inconsistent(Inconsistency::Path { .. })
        ));
    }
}

#[test]
fn a_segment_of_a_size_that_no_file_has_is_refused() {
    let mut manifest = second();
    for bytes in [u64::MAX, 1 << 60, (1 << 40) + 1] {
        manifest.open.segments[0].bytes = bytes;
        let (_, sealed) = codec::seal(manifest.clone());
        let error = Manifest::decode(&sealed).unwrap_err();
        assert!(
            matches!(
                error,
                codec::ManifestError::Inconsistent(Inconsistency::TooManyBytes { .. })
            ),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn a_flipped_bit_never_reads_as_the_manifest(at: prop::sample::Index, bit in 0..8u8) {
        let good = second();
        let mut bytes = good.encode().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Manifest::decode(&bytes).is_err());
    }

    #[test]
    fn a_manifest_cut_short_is_refused(length: prop::sample::Index) {
        let bytes = second().encode();
        prop_assert!(Manifest::decode(&bytes[..length.index(bytes.len())]).is_err());
    }
}
