use proptest::prelude::*;

use super::*;

fn layout() -> Layout {
    Layout::new("events").unwrap()
}

#[test]
fn names_are_hive_partitions_with_twenty_digits() {
    let range = OffsetRange::new(Offset::ZERO, Offset::new(1042).unwrap()).unwrap();
    let id = SegmentId(0x00c0_ffee);
    let segment = layout().segment(SegmentKind::Results, Partition(3), range, id);
    let expected = "events/results/partition=3/\
                    00000000000000000000-00000000000000001042-00c0ffee.parquet";
    assert_eq!(segment.as_str(), expected);
    let attic = layout().attic(&segment).unwrap();
    assert_eq!(
        attic.as_str(),
        expected.replace("events/", "events/_attic/")
    );
    assert_eq!(layout().out_of_attic(&attic), Some(segment.clone()));
    assert_eq!(layout().attic(&attic), None);
    assert_eq!(layout().parse_segment(&attic), None);
    let manifest = layout().manifest(Partition(3), Sequence(7));
    assert_eq!(
        manifest.as_str(),
        "events/_manifests/partition=3/00000000000000000007.json"
    );
    assert_eq!(layout().attic(&manifest), None);
    let page = layout().page(Partition(3), range, id);
    assert_eq!(
        page.as_str(),
        "events/_pages/partition=3/00000000000000000000-00000000000000001042-00c0ffee.json"
    );
    assert!(page.below(&layout().pages(Partition(3))).is_some());
    assert_eq!(layout().attic(&page), None);
}

#[test]
fn anything_else_in_the_folders_is_not_ours() {
    for text in [
        "events/results/partition=3/0-1042-00c0ffee.parquet",
        "events/results/partition=03/00000000000000000000-00000000000000001042-00c0ffee.parquet",
        "events/results/partition=3/00000000000000000000-00000000000000001042-00C0FFEE.parquet",
        "events/results/partition=3/00000000000000001042-00000000000000000000-00c0ffee.parquet",
        "events/results/partition=3/a/00000000000000000000-00000000000000001042-00c0ffee.parquet",
        "events/results/partition=-1/00000000000000000000-00000000000000001042-00c0ffee.parquet",
        "events/results/partition=3/99999999999999999999-99999999999999999999-00c0ffee.parquet",
        "events2/results/partition=3/00000000000000000000-00000000000000001042-00c0ffee.parquet",
        "events/_manifests/partition=3/7.json",
        "events/_manifests/partition=3/00000000000000000000.json",
        "events/_manifests/partition=3/00000000000000000007.json.tmp",
    ] {
        let path = Path::parse(text).unwrap();
        assert_eq!(layout().parse_segment(&path), None, "{text}");
        assert_eq!(layout().parse_manifest(&path), None, "{text}");
    }
    let of = |text: &str| layout().partition_of(&Path::parse(text).unwrap());
    assert_eq!(
        of("events/rejects/partition=3/copy of 7.parquet"),
        Some(Partition(3))
    );
    assert_eq!(of("events/rejects/partition=3"), None);
    assert_eq!(of("events/_manifests/partition=3/7.json"), None);
}

#[test]
fn a_strangers_path_too_long_for_the_attic_has_no_place_there() {
    let long = format!("events/{}", vec!["x".repeat(200); 4].join("/"));
    let own = Path::parse(&format!("{long}/{}", "y".repeat(899 - long.len()))).unwrap();
    assert_eq!(layout().attic(&own), None);
    let own = Path::parse(&long).unwrap();
    let attic = layout().attic(&own).unwrap();
    assert_eq!(layout().out_of_attic(&attic), Some(own));
}

#[test]
fn a_topic_that_could_leave_the_store_is_refused() {
    for topic in [
        "",
        ".",
        "..",
        "a/b",
        ".staging",
        "_probe",
        "é",
        &"x".repeat(250),
    ] {
        assert!(Layout::new(topic).is_err(), "{topic}");
    }
    assert!(Layout::new("orders.v1_raw-EU").is_ok());
}

proptest! {
    #[test]
    fn every_name_reads_back(partition in 0..i32::MAX, a in 0..i64::MAX, b in 0..i64::MAX,
                             id: u32, sequence in 1..u64::MAX, kind in 0..3usize) {
        let (start, end) = (Offset::new(a.min(b)).unwrap(), Offset::new(a.max(b)).unwrap());
        let range = OffsetRange::new(start, end).unwrap();
        let (kind, partition, id) = (SegmentKind::ALL[kind], Partition(partition), SegmentId(id));
        let path = layout().segment(kind, partition, range, id);
        prop_assert_eq!(
            layout().parse_segment(&path),
            Some(SegmentName { kind, partition, range, id })
        );
        let path = layout().page(partition, range, id);
        prop_assert_eq!(layout().parse_page(&path), Some(PageName { partition, range, id }));
        prop_assert_eq!(layout().parse_segment(&path), None);
        prop_assert_eq!(layout().parse_manifest(&path), None);
        let path = layout().manifest(partition, Sequence(sequence));
        prop_assert_eq!(layout().parse_page(&path), None);
        prop_assert_eq!(layout().parse_manifest(&path), Some((partition, Sequence(sequence))));
    }
}
