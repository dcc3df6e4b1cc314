//! What is there when the commands of a document are run.

use std::cell::{Cell, OnceCell};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use snapback::format::Layout;
use snapback::history::{Chain, Clock, Sealed, load_tail, write_seal};
use snapback::model::Partition;
use snapback::store::{Store, StoreConfig, StoreUrl};

use super::falsified;
use crate::backfill::begun_late;
use crate::calculations::of_another_program;
use crate::mixed_types;
use crate::outside::{LIMIT, Pipeline, Place, committed_events, in_a_shell};
use crate::published::{is, rewrite};
use crate::recalculation::RECALCULATE;
use crate::recovery::{self, commit_elsewhere, forge_manifest};
use crate::repair::{self, flip_a_byte};
use crate::support::{Status, block_on, delete_records, eventually, produce_with_headers};

/// The fields and the calculation of the orders.
const ORDERS: &str = "fields = \"price BIGINT NOT NULL, quantity BIGINT NOT NULL\"
calculation = \"price * quantity AS total\"
";

/// Stores that scenes are copies of.
#[derive(Default)]
pub struct Scenes {
    /// Two partitions with three snapshots each, of numbers and malformed events.
    numbers: OnceCell<Pipeline>,
}

/// A folder in which commands are run, with the store `snapshots` in it.
pub struct Scene {
    pipeline: Pipeline,
    /// The exit code of the last command.
    code: Cell<i32>,
}

impl Scenes {
    pub fn begin(&mut self, name: &str) -> Scene {
        match name {
            "numbers" => self.copy(),
            "topics-of-numbers" => Scene::of(&recovery::stored(20)),
            "another-programs-calculation" => Scene::of(&of_another_program()),
            "two-types" => two_types(),
            "filtered-as-a-whole" => filtered_as_a_whole(),
            "a-group-that-was-reset" => {
                let scene = Scene::of(&recovery::stored(20));
                commit_elsewhere(&scene.pipeline, 10);
                scene
            }
            "the-sample" => {
                let scene = self.copy();
                let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots");
                let folder = scene.pipeline.store.path();
                fs::remove_dir_all(&folder).expect("a folder of the test's own");
                std::os::unix::fs::symlink(sample, folder).expect("a link");
                scene
            }
            "numbers-that-have-expired" => {
                let pipeline = repair::stored(Place::folder());
                delete_records(&pipeline.brokers, &pipeline.events, 0, 40);
                Scene::of(&pipeline)
            }
            "numbers-that-nothing-has" => {
                let pipeline = repair::stored(Place::folder());
                delete_records(&pipeline.brokers, &pipeline.events, 0, 40);
                delete_records(&pipeline.brokers, &pipeline.results, 0, 18);
                Scene::of(&pipeline)
            }
            "numbers-begun-late" => Scene::of(&begun_late(Place::folder())),
            "orders" => orders(),
            other => panic!("there is no scene {other}"),
        }
    }

    fn copy(&self) -> Scene {
        let numbers = self.numbers.get_or_init(|| repair::stored(Place::folder()));
        Scene::of(numbers)
    }
}

impl Scene {
    fn of(pipeline: &Pipeline) -> Self {
        let pipeline = pipeline.with_store(pipeline.store.copy_as("snapshots"));
        let code = Cell::new(0);
        Self { pipeline, code }
    }

    /// The folder in which commands are run.
    fn folder(&self) -> PathBuf {
        let store = self.pipeline.store.path();
        store.parent().expect("a folder").to_owned()
    }

    /// What somebody does, to partition 0.
    pub fn change(&self, name: &str) {
        let pipeline = &self.pipeline;
        let file = |kind: &str, index: usize| pipeline.segments(kind, 0)[index].clone();
        let manifest = |index: usize| pipeline.manifests(0)[index].clone();
        match name {
            "a-flipped-byte" => flip_a_byte(&file("results", 0)),
            "a-missing-file" => fs::remove_file(file("rejects", 1)).expect("a file"),
            "no-parquet" => falsified::no_parquet(pipeline),
            "a-file-in-the-attic" => {
                let file = file("results", 1);
                let root = pipeline.store.path().join(&pipeline.events);
                let inside = file.strip_prefix(&root).expect("a segment of this topic");
                let attic = root.join("_attic").join(inside);
                let folder = attic.parent().expect("a folder");
                fs::create_dir_all(folder).expect("a writable store");
                fs::rename(&file, &attic).expect("a writable store");
            }
            "a-copy-of-a-file" => {
                let file = file("results", 1);
                let name = file.file_name().expect("a name").to_string_lossy();
                let (range, _) = name.rsplit_once('-').expect("range-id.parquet");
                let copy = file.with_file_name(format!("{range}-00000000.parquet"));
                fs::copy(&file, copy).expect("a writable store");
            }
            "a-row-less" => falsified::without_the_last_row(pipeline),
            "rows-backwards" => falsified::backwards(pipeline),
            "a-row-at-another-offset" => falsified::at_the_offset_of_a_reject(pipeline),
            "a-wrong-value" => falsified::one_too_high(pipeline),
            "a-wrong-reason" => falsified::another_reason(pipeline),
            "a-missing-manifest" => fs::remove_file(manifest(1)).expect("a file"),
            "a-damaged-page" => flip_a_byte(&sealed(pipeline)),
            "a-missing-page" => fs::remove_file(sealed(pipeline)).expect("a file"),
            "a-damaged-manifest" => flip_a_byte(&manifest(1)),
            "the-newest-manifest-damaged" => flip_a_byte(&manifest(3)),
            "a-rewritten-manifest" => forge_manifest(&manifest(2), |body| {
                body.replace("\"writer\":\"", "\"writer\":\"not ")
            }),
            "another-condition" => falsified::filtered_by_another_condition(pipeline),
            "an-event-that-is-absent" => forge_manifest(&manifest(1), |body| {
                let body = body.replace(
                    "\"absent\":\"\",\"filtered\":20",
                    "\"absent\":\"5-6\",\"filtered\":19",
                );
                body.replace(
                    "\"filtered\":20,\"absent\":0",
                    "\"filtered\":19,\"absent\":1",
                )
            }),
            "a-message-twice" => self.publish(4, r#"{"number":4,"result":16}"#),
            "a-message-of-somebody" => {
                rewrite(pipeline, &pipeline.results, (1, &[]), |records| {
                    let mut records = records.iter_mut();
                    let message = records.find(|record| is(record, pipeline, 0, 4));
                    let value = br#"{"number":4,"result":17}"#.to_vec();
                    message.expect("a message").payload = Some(value);
                });
            }
            "a-topic-without-a-message" => {
                rewrite(pipeline, &pipeline.results, (1, &[]), |records| {
                    records.retain(|record| !is(record, pipeline, 0, 3));
                });
            }
            other => panic!("there is no scene {other}"),
        }
    }

    /// Somebody else publishes a result of partition 0.
    fn publish(&self, offset: i64, value: &str) {
        let Pipeline {
            brokers,
            events,
            results,
            ..
        } = &self.pipeline;
        let key = format!("{events}/0/{offset}");
        let message = (Some(key.as_bytes()), Some(value.as_bytes()));
        produce_with_headers(brokers, results, 0, message, &[]);
    }

    /// How the last command ended.
    pub fn code(&self) -> i32 {
        self.code.get()
    }

    /// What a command prints: its standard output, then its standard error without the log.
    pub fn run(&self, command: &str) -> String {
        if command == "echo $?" {
            return format!("{}\n", self.code.get());
        }
        let names = [
            ("BROKERS", &self.pipeline.brokers, "localhost:9092"),
            ("EVENTS", &self.pipeline.events, "events"),
            ("RESULTS", &self.pipeline.results, "results"),
            ("GROUP", &self.pipeline.group, "recalc_group"),
        ];
        let mut program = in_a_shell(command)
            .current_dir(self.folder())
            .env("SNAPBACK_STATUS", "off");
        for (name, value, _) in names {
            program = program.env(format!("SNAPBACK_{name}"), value);
        }
        let finished = program.run();
        self.code.set(finished.code.expect("no signal"));
        let is_log = Regex::new(r"^\d{4}-\d\d-\d\dT").expect("a pattern");
        let said = finished
            .stderr
            .lines()
            .filter(|line| !is_log.is_match(line));
        let said: String = said.map(|line| format!("{line}\n")).collect();
        let mut printed = finished.stdout + &said;
        assert!(!printed.contains("panicked"), "{command}: {printed}");
        for (_, value, shown) in names {
            printed = printed.replace(value, shown);
        }
        let digest = Regex::new("(sha256:[0-9a-f]{4})[0-9a-f]{60}").expect("a pattern");
        digest.replace_all(&printed, "$1...").into_owned()
    }
}

/// Lists the segments of partition 0 by a page, whose file this is.
fn sealed(pipeline: &Pipeline) -> PathBuf {
    let sealed = block_on(async {
        let url: StoreUrl = pipeline.store.url().parse().expect("a store");
        let store = Store::open(&StoreConfig::new(url)).await.expect("a store");
        let layout = Layout::new(&pipeline.events).expect("a topic");
        let tail = load_tail(&store, &layout, Partition(0)).await;
        let tail = tail.expect("a chain");
        let range = tail.newest.as_ref().expect("a manifest").range();
        let (writer, clock) = ("somebody".to_owned(), Clock::system());
        let chain = Chain::of_caretaker(&store, &layout, Partition(0), tail, writer, clock);
        write_seal(&mut chain.expect("a chain"), range).await
    });
    match sealed.expect("a store that can be written") {
        Sealed::Done(page) => pipeline.store.path().join(page.path.as_str()),
        Sealed::Left(why) => panic!("{why}"),
    }
}

/// Orders in two snapshots; one has no quantity. A file holds what they are calculated by.
fn orders() -> Scene {
    let pipeline = Pipeline::new(1, Place::folder());
    let settings = |program: crate::support::Program| program.file("snapback.toml", ORDERS);
    for orders in [
        [
            r#"{"price": 1999, "quantity": 2}"#,
            r#"{"price": 700, "quantity": 9}"#,
            r#"{"price": 12000}"#,
        ],
        [
            r#"{"price": 250, "quantity": 4}"#,
            r#"{"price": 99, "quantity": 1}"#,
            r#"{"price": 4500, "quantity": 3}"#,
        ],
    ] {
        pipeline.send(0, orders);
        settings(pipeline.run_to_end()).run().expect_code(0);
    }
    let scene = Scene::of(&pipeline);
    fs::write(scene.folder().join("snapback.toml"), ORDERS).expect("a writable folder");
    scene
}

/// A history of a column in two types, which cannot be rewritten: its events are gone.
fn two_types() -> Scene {
    let pipeline = mixed_types::of_two_types();
    delete_records(&pipeline.brokers, &pipeline.events, 0, 2);
    let run = pipeline.run().args(mixed_types::DECIMAL).args(RECALCULATE);
    let mut running = run.args(Status::ANYWHERE).spawn();
    eventually(LIMIT, "the third event", || {
        (committed_events(&pipeline) == 3).then_some(())
    });
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    Scene::of(&pipeline)
}

/// Twenty numbers, none of which the condition takes.
fn filtered_as_a_whole() -> Scene {
    let pipeline = Pipeline::new(1, Place::folder());
    pipeline.send_numbers(0, 0..20);
    let run = pipeline.run_to_end().args(["--where", "number < 0"]);
    run.run().expect_code(0);
    Scene::of(&pipeline)
}
