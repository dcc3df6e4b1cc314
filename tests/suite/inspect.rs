//! `inspect`: what one file is, and whether it is whole.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::outside::{Pipeline, Place};
use crate::pages;
use crate::recovery::forge_manifest;
use crate::support::{s3, snapback};

fn inspected(file: &Path, code: i32) -> Value {
    let file = file.to_str().expect("text");
    let finished = snapback(["inspect", file, "-o", "json"]).run();
    serde_json::from_str(&finished.expect_code(code).stdout).expect("JSON")
}

fn relative(pipeline: &Pipeline, file: &Path) -> String {
    let inside = file
        .strip_prefix(pipeline.store.path())
        .expect("of the store");
    inside.display().to_string()
}

#[test]
fn every_kind_of_file_says_what_it_is() {
    let pipeline = pages::one_page(Place::folder());
    let newest = pipeline.manifests(0).pop().expect("a manifest");
    let segment = pages::files(&pipeline, "results").remove(1);
    let page = pages::files(&pipeline, "_pages").remove(0);

    let said = inspected(&newest, 0);
    assert_eq!(
        (&said["kind"], &said["whole"]),
        (&"manifest".into(), &true.into())
    );
    assert_eq!(said["topic"], *pipeline.events);
    assert_eq!(said["edit"], "seal");
    assert_eq!(said["lists"]["pages"], 1, "{said}");
    let said = inspected(&page, 0);
    assert_eq!(
        (&said["kind"], &said["start"]),
        (&"page".into(), &0.into()),
        "{said}"
    );
    assert_eq!(said["lists"]["results"], 70, "{said}");
    let said = inspected(&segment, 0);
    assert_eq!(said["kind"], "results");
    assert_eq!((&said["start"], &said["end"]), (&3.into(), &5.into()));
    assert_eq!(said["rows"], 2);
    assert_eq!(said["calculations"][0]["calculation"], "square(number)");

    // By its path in the store, for people.
    let text = snapback(["inspect", &relative(&pipeline, &segment)])
        .args(pipeline.store_args())
        .run()
        .expect_code(0)
        .stdout;
    for part in [
        "a segment of results of ",
        "offsets 3-5",
        "2 rows",
        "it is whole",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // By a newer snapback.
    let forged = pipeline.manifests(0).remove(1);
    forge_manifest(&forged, |body| {
        body.replace("\"format_version\":1,", "\"format_version\":2,")
    });
    let said = inspected(&forged, 4);
    assert_eq!(
        (&said["newer"], &said["whole"]),
        (&true.into(), &false.into())
    );
    // Under another's name, and damaged.
    let other = |name: &str| -> PathBuf {
        let other = segment.with_file_name(name);
        std::fs::copy(&segment, &other).expect("a copy");
        other
    };
    let name = format!("{:020}-{:020}-00000001.parquet", 5, 7);
    let said = inspected(&other(&name), 1);
    let damage = said["damage"].as_str().expect("damage");
    assert!(
        damage.contains("another file than its name says"),
        "{damage}"
    );
    for file in [&newest, &page, &segment] {
        let mut bytes = std::fs::read(file).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(file, bytes).expect("a file");
        let said = inspected(file, 1);
        assert!(said["damage"].is_string(), "{said}");
    }
    let nothing = other("nothing");
    std::fs::write(&nothing, "nothing").expect("a file");
    assert_eq!(inspected(&nothing, 1)["kind"], "unknown");
}

#[test]
fn a_file_in_a_bucket_is_inspected_by_its_path() {
    let pipeline = Pipeline::new(1, Place::bucket(s3()));
    pipeline.send_numbers(0, 0..5);
    pipeline.run_to_end().run().expect_code(0);
    let path = format!("{}/_manifests/partition=0/{:020}.json", pipeline.events, 2);
    let inspect = |path: &str| {
        snapback(["inspect", path, "-o", "json"])
            .args(pipeline.store_args())
            .envs(pipeline.env())
            .run()
    };
    let said = inspect(&path).expect_code(0).stdout;
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(
        (&said["kind"], &said["sequence"], &said["edit"]),
        (&"manifest".into(), &2.into(), &"append".into())
    );
    let missing = inspect(&path.replace("2.json", "9.json"));
    assert_ne!(missing.code, Some(0), "{missing:?}");
}
