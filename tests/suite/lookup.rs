//! `lookup`: what became of one event, as the store has it.

pub mod history;

use bytes::Bytes;
use serde_json::{Value, json};
use snapback::format::Layout;
use snapback::history::Clock;
use snapback::model::Offset;
use snapback::store::{Path, Store, StoreConfig};

use self::history::{PARTITION, Shape, TOPIC, objects};
use crate::costs::counted::{Counted, Requests, counted};
use crate::outside::{LIMIT, Pipeline, Place};
use crate::recalculation::{NEW, RECALCULATE, history};
use crate::support::process::Finished;
use crate::support::proxy::Proxy;
use crate::support::{heavy, s3, snapback};

fn lookup(pipeline: &Pipeline, source: &str, flags: &[&str]) -> Finished {
    snapback(["lookup", source, "--events", &pipeline.events])
        .args(flags)
        .args(pipeline.store_args())
        .envs(pipeline.env())
        .limit(LIMIT)
        .run()
}

fn answer(pipeline: &Pipeline, source: &str, code: i32) -> Value {
    let finished = lookup(pipeline, source, &["-o", "json"]).expect_code(code);
    serde_json::from_str(&finished.stdout).expect("JSON")
}

/// Outcomes of both kinds, some of them corrected.
fn every_fate_is_shown(place: Place) {
    let pipeline = history(place);
    let result = answer(&pipeline, "0/5", 0);
    assert_eq!(result["fate"], "result");
    assert_eq!(result["message"], json!({"a": 2, "b": 3, "result": 4}));
    assert_eq!(result["corrections"], Value::Null);
    let recalculated = pipeline.run_to_end().args(NEW).args(RECALCULATE).run();
    recalculated.expect_code(0);

    let result = answer(&pipeline, "0/5", 0);
    let message = json!({"a": 2, "b": 3, "result": 9});
    assert_eq!(result["message"], message);
    let corrections = result["corrections"].as_array().expect("a list");
    let [correction] = corrections.as_slice() else {
        panic!("{result:#}")
    };
    assert_eq!(
        correction["was"],
        json!({"kind": "result", "message": {"a": 2, "b": 3, "result": 4}})
    );
    assert_eq!(
        correction["is"],
        json!({"kind": "result", "message": message})
    );
    assert!(correction["revision"].as_u64() <= result["snapshot"].as_u64());

    let reject = answer(&pipeline, "0/6", 0);
    let reason = reject["reason"].as_str().expect("a reason");
    assert_eq!(reject["fate"], "reject");
    assert!(reason.starts_with("null-result"), "{reason}");
    let correction = &reject["corrections"][0];
    assert_eq!(
        correction["is"],
        json!({"kind": "reject", "reason": reason})
    );
    assert_eq!(correction["was"]["message"]["result"], 25);
    let undecodable = answer(&pipeline, "0/9", 0);
    assert_eq!(undecodable["payload"], "no JSON");

    let end = 5 * crate::recalculation::SEGMENTS;
    let beyond = answer(&pipeline, &format!("0/{end}"), 1);
    assert_eq!(
        (&beyond["fate"], &beyond["end"]),
        (&"not-stored".into(), &end.into())
    );

    let shown = lookup(&pipeline, "0/5", &[]).expect_code(0).stdout;
    for part in [
        "/0/5: a result",
        r#"  {"a":2,"b":3,"result":9}"#,
        "  in ",
        "  corrected, revision ",
        "\n    was: {\"a\":2,\"b\":3,\"result\":4}\n    is:  {\"a\":2,\"b\":3,\"result\":9}\n",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn every_fate_is_shown_with_its_corrections() {
    every_fate_is_shown(Place::folder());
}

#[test]
fn every_fate_is_shown_with_its_corrections_on_s3() {
    every_fate_is_shown(Place::bucket(s3()));
}

#[test]
fn what_cannot_be_looked_up_is_named() {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..10);
    pipeline.run_to_end().run().expect_code(0);
    let other = lookup(&pipeline, "3/1", &[]).expect_code(2).stderr;
    assert!(other.contains("partition 3"), "{other}");
    let shape = lookup(&pipeline, "3-1", &[]).expect_code(2).stderr;
    assert!(shape.contains("PARTITION/OFFSET"), "{shape}");
    let segment = &pipeline.segments("results", 0)[0];
    std::fs::write(segment, b"no segment").expect("a writable store");
    let damaged = lookup(&pipeline, "0/3", &[]).expect_code(3).stderr;
    assert!(
        damaged.contains(&segment.display().to_string()),
        "{damaged}"
    );
    assert!(damaged.contains("snapback verify"), "{damaged}");
}

/// A bucket behind a proxy that counts what it is asked for.
struct Bucket {
    runtime: tokio::runtime::Runtime,
    store: Store,
    counter: Counted,
    proxy: Proxy,
    url: String,
}

impl Bucket {
    fn with(objects: Vec<(Path, Bytes)>, span: u64) -> Bucket {
        let server = s3();
        let url = Place::bucket(server).url();
        let proxy = Proxy::before(server.endpoint(), 0);
        let env = server.env().into_iter();
        let config = StoreConfig {
            url: url.parse().expect("a store"),
            s3_endpoint: Some(proxy.endpoint().to_owned()),
            env: env.map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let real = runtime.handle();
        let (store, counter) = runtime.block_on(async {
            let store = Store::open(&config).await.expect("a bucket");
            let (store, counter) = counted(store, &Clock::system(), span, Some(real.clone()));
            for (path, bytes) in objects {
                store.put(&path, bytes).await.expect("a writable bucket");
            }
            (store, counter)
        });
        Bucket {
            runtime,
            store,
            counter,
            proxy,
            url,
        }
    }

    fn seen(&self) -> u64 {
        self.proxy.requests().values().sum()
    }

    /// What became of an offset, and what that has asked for: as the counter says and as the proxy sees it, of the library and of the program.
    fn lookup(&self, offset: Offset) -> (Value, Requests) {
        let layout = Layout::new(TOPIC).expect("a topic");
        let (seen, counted) = (self.seen(), self.counter.counts().all());
        let found = snapback::query::lookup(&self.store, &layout, PARTITION, offset);
        let found = self.runtime.block_on(found).expect("a readable store");
        let found = serde_json::to_value(found).expect("JSON");
        let asked = self.counter.counts().all() - counted;
        assert_eq!(self.seen() - seen, asked.all(), "{asked:?}");
        let shown = snapback(["lookup", &format!("{PARTITION}/{offset}"), "-o", "json"])
            .args(["--events", TOPIC, "--store", &self.url])
            .args(["--s3-endpoint", self.proxy.endpoint()])
            .envs(s3().env())
            .limit(LIMIT)
            .run()
            .expect_code(0);
        let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
        assert_eq!(shown, found);
        // It opens the store first, by a listing that says whether there is such a bucket.
        assert_eq!(self.seen() - seen, asked.all() + 1 + asked.all());
        (found, asked)
    }
}

#[test]
fn a_bucket_is_asked_little_of_a_long_history() {
    let _turn = heavy();
    let shape = Shape {
        ranges: 300,
        rows: 60_000,
        stored_every: 200,
        corrects: true,
    };
    let bucket = Bucket::with(objects(shape, |_| ()), shape.rows);
    // The listing, the newest manifest, the page, the end of the segment, two parts of it.
    let [result, reject] = shape.events(200);
    let (found, asked) = bucket.lookup(result);
    assert_eq!((&found["fate"], asked.all()), (&json!("result"), 6));
    assert!(asked.bytes_got < 800_000, "{asked:?}");
    // The same of the results, which have no row of it; and the rejects, which are few, as a whole.
    let (found, asked) = bucket.lookup(reject);
    assert_eq!((&found["fate"], asked.all()), (&json!("reject"), 7));
    assert!(asked.bytes_got < 800_000, "{asked:?}");
    // A range that is in no page yet; the end of its corrections, and two parts of them.
    let [result, _] = shape.last();
    let (found, asked) = bucket.lookup(result);
    assert_eq!(found["corrections"].as_array().map(Vec::len), Some(1));
    assert_eq!((&found["fate"], asked.all()), (&json!("result"), 5 + 3));
}
