//! A large file, read once from its start to its end, a part at a time, and compared with its digest at its last byte.
//!
//! Until then nothing is known about it, so that what was found in it counts only if [`Parts::are_whole`] says so. If it does not,
//! the file is read again, as a whole: that says what is wrong.

use std::{
    io,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use parquet::errors::ParquetError;
use tokio::sync::mpsc;

use crate::{
    format::{Segment, SegmentEnd, SegmentError},
    history::read_segment_end,
    model::{Digest, Digester},
    store::{Path, Store, StoreError},
};

/// What has no rows is read in pieces of so many bytes.
const PIECE: u64 = 4 << 20;

/// See the module. Clones share it.
#[derive(Clone)]
pub(super) struct Parts(Arc<Mutex<Reading>>);

struct Reading {
    segment: Segment,
    /// Everything before it was read.
    at: u64,
    digester: Digester,
    /// A part could not be read, or another was asked for: what is said of the rows says nothing of the file.
    failed: bool,
    /// The end of the file, and where it starts.
    end: Bytes,
    end_at: u64,
    ask: mpsc::Sender<Range<u64>>,
    answers: mpsc::Receiver<Result<Bytes, StoreError>>,
}

/// The end of a segment's file that is to be read in parts. `None` when it is not as its manifest says: then it is to be read as a
/// whole.
pub(super) async fn open(
    store: &Store,
    segment: &Segment,
    first: u64,
) -> Option<(SegmentEnd, Parts)> {
    let (read, end) = read_segment_end(store, segment, first)
        .await
        .ok()
        .flatten()?;
    Some((read, Parts::new(store.clone(), segment.clone(), end)))
}

impl Parts {
    fn new(store: Store, segment: Segment, end: Bytes) -> Parts {
        let (ask, asked) = mpsc::channel(1);
        let (answer, answers) = mpsc::channel(1);
        tokio::spawn(give(store, segment.path.clone(), asked, answer));
        Parts(Arc::new(Mutex::new(Reading {
            end_at: segment.bytes.saturating_sub(end.len() as u64),
            segment,
            at: 0,
            failed: false,
            digester: Digester::default(),
            end,
            ask,
            answers,
        })))
    }

    /// The next part. Blocks.
    pub fn read(&self, part: Range<u64>) -> Result<Bytes, SegmentError> {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = reading.read(part);
        read.map_err(|error| ParquetError::External(Box::new(error)).into())
    }

    /// Reads what is left; whether the file has the digest that its manifest lists. Blocks.
    pub fn are_whole(&self) -> bool {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = reading.segment.bytes;
        while !reading.failed && reading.at < bytes {
            let part = reading.at..bytes.min(reading.at + PIECE);
            if reading.read(part).is_err() {
                return false;
            }
        }
        !reading.failed && reading.digest() == reading.segment.digest
    }
}

impl Reading {
    fn read(&mut self, part: Range<u64>) -> io::Result<Bytes> {
        let read = self.next(part);
        self.failed |= read.is_err();
        read
    }

    fn next(&mut self, part: Range<u64>) -> io::Result<Bytes> {
        if part.start != self.at || part.end < part.start || part.end > self.segment.bytes {
            let text = format!("bytes {part:?} do not follow byte {}", self.at);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let before = part.start..part.end.min(self.end_at);
        let after = part.start.max(self.end_at)..part.end;
        let end_at = self.end_at;
        let of_end = |at: u64| usize::try_from(at - end_at).map_err(io::Error::other);
        let bytes = match (before.is_empty(), after.is_empty()) {
            (true, true) => Bytes::new(),
            (true, false) => self.end.slice(of_end(after.start)?..of_end(after.end)?),
            (false, true) => self.fetch(before)?,
            (false, false) => {
                let mut both = BytesMut::from(self.fetch(before)?);
                both.extend_from_slice(&self.end[..of_end(after.end)?]);
                both.freeze()
            }
        };
        self.digester.update(&bytes);
        self.at = part.end;
        Ok(bytes)
    }

    fn fetch(&mut self, part: Range<u64>) -> io::Result<Bytes> {
        let gone = || io::Error::other("nobody waits for the file any more");
        let length = part.end - part.start;
        self.ask.blocking_send(part).map_err(|_| gone())?;
        let answer = self.answers.blocking_recv().ok_or_else(gone)?;
        let bytes = answer.map_err(io::Error::other)?;
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn digest(&mut self) -> Digest {
        std::mem::take(&mut self.digester).finish()
    }
}

/// Reads what is asked for, for as long as somebody asks.
async fn give(
    store: Store,
    path: Path,
    mut asked: mpsc::Receiver<Range<u64>>,
    answer: mpsc::Sender<Result<Bytes, StoreError>>,
) {
    while let Some(part) = asked.recv().await {
        if answer
            .send(store.get_range(&path, part).await)
            .await
            .is_err()
        {
            return;
        }
    }
}
