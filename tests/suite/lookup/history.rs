//! The objects of a long history of one partition: segments, the pages that list most of them, and the newest manifest. Segments are
//! encoded on every core, some pages' worth at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use snapback::calculation::{Evaluator, builtin};
use snapback::events::Fields;
use snapback::format::{
    Accumulation, Edit, Encoded, EncodedSegment, Identity, Layout, Manifest, Page, RangeOutcomes,
    apply,
};
use snapback::history::Clock;
use snapback::model::{Event, Offset, OffsetRange, Partition};
use snapback::store::Path;

use crate::support::history::{first_manifest, identity, stamp};

pub const TOPIC: &str = "events";
pub const PARTITION: Partition = Partition(0);
/// Of each range, one event in so many is a reject: its second one, to begin with.
const REJECT_EVERY: u64 = 500;
/// Ranges of a page: each has a segment of results and one of rejects.
const RANGES_OF_A_PAGE: u64 = Page::MOST_FILES as u64 / 2;
/// Events that are encoded at a time.
const BATCH: u64 = 20_000;

/// How long a history is, and of what.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Each has a segment of results and one of rejects.
    pub ranges: u64,
    /// Events of each.
    pub rows: u64,
    /// One range in so many is stored, from the first on; the others are listed with the size and the digest of the one before.
    pub stored_every: u64,
    /// The events of the last range had been published before, so that it has a segment of corrections, too.
    pub corrects: bool,
}

impl Shape {
    /// The event of a stored range that has a result, and the one that is a reject.
    pub fn events(self, range: u64) -> [Offset; 2] {
        let range = range % self.ranges / self.stored_every * self.stored_every;
        [2, 1].map(|event| offset(range * self.rows + event))
    }

    /// Those of the last range.
    pub fn last(self) -> [Offset; 2] {
        [2, 1].map(|event| offset((self.ranges - 1) * self.rows + event))
    }

    fn is_stored(self, range: u64) -> bool {
        range.is_multiple_of(self.stored_every) || self.corrects && range == self.ranges - 1
    }
}

fn offset(number: u64) -> Offset {
    Offset::ZERO.plus(number)
}

fn evaluator() -> Evaluator {
    let fields = Fields::parse("number BIGINT NOT NULL").expect("fields");
    let square = builtin("square").expect("square");
    Evaluator::new(fields, square).expect("square of a BIGINT")
}

/// Numbers that do not compress.
fn payload(number: u64) -> String {
    match number % REJECT_EVERY {
        1 => "no JSON".to_owned(),
        _ => {
            let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1;
            format!("{{\"number\":{number}}}")
        }
    }
}

fn outcomes(evaluator: &Evaluator, start: u64, end: u64) -> RangeOutcomes {
    let payloads: Vec<String> = (start..end).map(payload).collect();
    let events = payloads.iter().enumerate().map(|(index, payload)| Event {
        offset: offset(start + index as u64),
        timestamp: Some(1_795_000_000_000 + index as i64),
        key: None,
        payload: Some(payload.as_bytes()),
    });
    let evaluated = evaluator.evaluate(events).expect("squares");
    let range = OffsetRange::new(offset(start), offset(end)).expect("ascending");
    RangeOutcomes::new(range, evaluated).expect("of this range")
}

/// The files of one range.
fn encoded(shape: Shape, range: u64, identity: &Identity) -> Encoded {
    let evaluator = evaluator();
    let (start, end) = (range * shape.rows, (range + 1) * shape.rows);
    let mut accumulation = match shape.corrects && range == shape.ranges - 1 {
        true => {
            let published = "00112233aabbccdd".parse().expect("a fingerprint");
            let now = identity.declaration.fingerprint.clone();
            Accumulation::replacing(offset(start), published, now)
        }
        false => Accumulation::new(offset(start)),
    };
    for from in (start..end).step_by(BATCH as usize) {
        let outcomes = outcomes(&evaluator, from, (from + BATCH).min(end));
        accumulation.append(&outcomes).expect("contiguous");
    }
    accumulation.close(identity).expect("encodes")
}

/// The files of these ranges that are stored, by range, ascending; every core encodes.
fn encode(shape: Shape, ranges: std::ops::Range<u64>, identity: &Identity) -> Vec<(u64, Encoded)> {
    let (next, done) = (AtomicU64::new(ranges.start), Mutex::new(Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|threads| {
        for _ in 0..cores {
            threads.spawn(|| {
                loop {
                    let range = next.fetch_add(1, Ordering::Relaxed);
                    if range >= ranges.end {
                        return;
                    }
                    if shape.is_stored(range) {
                        let encoded = encoded(shape, range, identity);
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        done.push((range, encoded));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(range, _)| *range);
    done
}

/// See the module.
pub struct History {
    shape: Shape,
    layout: Layout,
    clock: Clock,
    identity: Identity,
    manifest: Manifest,
    objects: Vec<(Path, Bytes)>,
}

/// The objects of a history; of its manifests the newest. `progress` is told how many ranges there are, some hundred times.
pub fn objects(shape: Shape, progress: impl Fn(u64)) -> Vec<(Path, Bytes)> {
    let mut history = History::begin(shape);
    let mut latest: Option<(u64, Encoded)> = None;
    for start in (0..shape.ranges).step_by(RANGES_OF_A_PAGE as usize) {
        let end = (start + RANGES_OF_A_PAGE).min(shape.ranges);
        let mut encoded = encode(shape, start..end, &history.identity)
            .into_iter()
            .peekable();
        let sealed = history.manifest.end;
        for range in start..end {
            if let Some(next) = encoded.next_if(|(stored, _)| *stored == range) {
                latest = Some(next);
            }
            let (of, files) = latest.as_ref().expect("the first range is stored");
            history.append(range, *of == range, files);
        }
        // The newest ones stay in the open list.
        if end < shape.ranges {
            history.seal(sealed);
        }
        progress(end);
    }
    history.end()
}

impl History {
    fn begin(shape: Shape) -> History {
        let (identity, clock) = (identity(&evaluator(), PARTITION), Clock::system());
        let manifest = first_manifest(&identity, &clock, 1);
        History {
            shape,
            layout: Layout::new(TOPIC).expect("a topic"),
            clock,
            identity,
            manifest,
            objects: Vec::new(),
        }
    }

    fn edit(&mut self, edit: Edit) {
        let stamp = stamp(&self.identity, &self.clock);
        self.manifest = apply(Some(&self.manifest), edit, stamp).expect("it fits");
    }

    /// Appends a range: these files, or, if it is not stored, others of the same size.
    fn append(&mut self, range: u64, is_stored: bool, files: &Encoded) {
        let rows = self.shape.rows;
        let over = OffsetRange::new(offset(range * rows), offset((range + 1) * rows));
        let over = over.expect("ascending");
        let named = |file: &EncodedSegment| {
            let mut segment = file.named(&self.layout, self.clock.segment_id());
            if is_stored {
                self.objects
                    .push((segment.path.clone(), file.bytes.clone()));
            } else {
                let id = self.clock.segment_id();
                segment.path = self.layout.segment(segment.kind, PARTITION, over, id);
                segment.range = over;
            }
            segment
        };
        let segments = files.segments().map(named).collect();
        self.edit(Edit::Append {
            range: over,
            segments,
            counts: files.counts,
            record: files.record.clone(),
        });
    }

    /// Everything from `start` on becomes a page.
    fn seal(&mut self, start: Offset) {
        let range = OffsetRange::new(start, self.manifest.end).expect("ascending");
        let (page, stored) = Page::of(&self.manifest, range, None).expect("a page");
        let path = self.layout.page(PARTITION, range, self.clock.segment_id());
        let bytes = stored.len() as u64;
        self.objects.push((path.clone(), stored));
        let page = Box::new(page);
        self.edit(Edit::Seal { page, path, bytes });
    }

    fn end(mut self) -> Vec<(Path, Bytes)> {
        let path = self.layout.manifest(PARTITION, self.manifest.sequence);
        self.objects.push((path, self.manifest.encode()));
        self.objects
    }
}
