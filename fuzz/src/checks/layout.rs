//! Names in a store, which anybody who can write to it can make.

use std::path::{Component, Path as DiskPath};

use snapback::format::Layout;
use snapback::store::Path;

/// The first line as a topic, the rest as a path in its store.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (topic, path) = text.split_once('\n').unwrap_or(("events", text));
    let Ok(path) = Path::parse(path) else {
        return;
    };
    stays_inside(&path);
    let Ok(layout) = Layout::new(topic) else {
        return;
    };
    let folder = Path::parse(topic).expect("the folder of a topic");
    stays_inside(&folder);
    if let Some(name) = layout.parse_segment(&path) {
        let built = layout.segment(name.kind, name.partition, name.range, name.id);
        assert_eq!(built, path, "one name, one spelling");
        assert_eq!(layout.partition_of(&path), Some(name.partition));
        assert!(
            path.below(&layout.segments(name.kind, name.partition))
                .is_some()
        );
        assert_eq!(layout.parse_manifest(&path), None);
        let attic = layout
            .attic(&path)
            .expect("a place in the attic for what is ours");
        assert_eq!(layout.parse_segment(&attic), None);
    }
    if let Some((partition, sequence)) = layout.parse_manifest(&path) {
        assert_eq!(
            layout.manifest(partition, sequence),
            path,
            "one name, one spelling"
        );
        assert!(path.below(&layout.manifests(partition)).is_some());
        assert_eq!(layout.attic(&path), None);
    }
    if let Some(partition) = layout.partition_of(&path) {
        assert!(partition.0 >= 0 && path.below(&folder).is_some());
    }
    if let Some(attic) = layout.attic(&path) {
        stays_inside(&attic);
        assert!(attic.below(&folder).is_some());
        assert_eq!(layout.out_of_attic(&attic), Some(path.clone()));
    }
    if let Some(own) = layout.out_of_attic(&path) {
        stays_inside(&own);
        assert!(own.below(&folder).is_some());
    }
}

/// On a disk the path lies below the root, one name for each of its parts.
pub fn stays_inside(path: &Path) {
    let parts = path.as_str().split('/');
    let names = DiskPath::new(path.as_str())
        .components()
        .map(|part| match part {
            Component::Normal(name) => name.to_str().expect("the name was text"),
            other => panic!("{path} leaves the root: {other:?}"),
        });
    assert!(parts.eq(names), "{path:?} is another path on a disk");
}
