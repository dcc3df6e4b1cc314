//! Which offsets of an append the log never delivered: the record that lets a hole be told from them (I4).
//!
//! A count alone could be adjusted together with the rows; with the record, a row that is missing from a
//! segment is seen even when every digest and every count agrees.

use std::{fmt::Write as _, iter::Peekable, str::FromStr};

use sha2::{Digest as _, Sha256};

use crate::model::{Offset, OffsetRange};

/// So many runs are written out; more of them (a compacted topic) are only digested.
pub(super) const LISTED: usize = 1000;

/// The absent offsets of a range, as runs that are ascending and do not touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Every run; none when nothing is absent. Written `12-13,17-19` (half-open).
    Ranges(Vec<OffsetRange>),
    /// Too many runs to list: the SHA-256 of their text, written `sha256:` and 64 digits.
    Digest([u8; 32]),
}

/// Text that is no record of absent offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a list of ascending ranges, nor the digest of one: {0:?}")]
pub struct NotAbsent(String);

impl Absent {
    /// Nothing is absent.
    #[must_use]
    pub const fn none() -> Absent {
        Absent::Ranges(Vec::new())
    }
}

/// Collects runs into an [`Absent`], in bounded memory.
#[derive(Clone, Debug, Default)]
pub struct AbsentBuilder {
    open: Option<OffsetRange>,
    closed: Vec<OffsetRange>,
    /// The digest of the text so far, once the runs are too many.
    digest: Option<Sha256>,
}

impl AbsentBuilder {
    /// Adds a run that starts at or after the end of the one before. Empty ones are ignored.
    pub fn push(&mut self, run: OffsetRange) {
        if run.is_empty() {
            return;
        }
        match self.open {
            Some(open) if open.end() == run.start() => {
                self.open = OffsetRange::new(open.start(), run.end()).ok();
            }
            _ => {
                self.close();
                self.open = Some(run);
            }
        }
    }

    /// Adds runs of which only the digest is known, as it would be written. Whatever else is added, the record becomes a digest.
    pub fn push_digest(&mut self, runs: [u8; 32]) {
        self.close();
        let is_first = self.closed.is_empty() && self.digest.is_none();
        let listed = std::mem::take(&mut self.closed);
        let digest = self.digest.get_or_insert_with(|| {
            let mut digest = Sha256::new();
            digest.update(text(&listed));
            digest
        });
        let separator = if is_first { "" } else { "," };
        digest.update(format!("{separator}{}", Absent::Digest(runs)));
    }

    /// Adds a record of what comes next.
    pub fn push_record(&mut self, record: &Absent) {
        match record {
            Absent::Ranges(runs) => runs.iter().for_each(|run| self.push(*run)),
            Absent::Digest(digest) => self.push_digest(*digest),
        }
    }

    /// The record.
    #[must_use]
    pub fn finish(mut self) -> Absent {
        self.close();
        match self.digest {
            Some(_) => self.finish_digested(),
            None => Absent::Ranges(self.closed),
        }
    }

    /// The digest of the record, however short that is.
    pub(super) fn finish_digested(mut self) -> Absent {
        self.close();
        let digest = self.digest.unwrap_or_else(|| {
            let mut digest = Sha256::new();
            digest.update(text(&self.closed));
            digest
        });
        Absent::Digest(digest.finalize().into())
    }

    fn close(&mut self) {
        let Some(run) = self.open.take() else { return };
        if let Some(digest) = &mut self.digest {
            digest.update(format!(",{run}"));
            return;
        }
        self.closed.push(run);
        if self.closed.len() > LISTED {
            let mut digest = Sha256::new();
            digest.update(text(&std::mem::take(&mut self.closed)));
            self.digest = Some(digest);
        }
    }
}

/// Collects the offsets between rows, which are absent where nothing is filtered.
#[derive(Clone, Debug)]
pub(super) struct Gaps {
    pub absent: AbsentBuilder,
    /// Everything before it has a row or is on record.
    pub next: Offset,
}

impl Gaps {
    pub fn new(start: Offset) -> Gaps {
        Gaps {
            absent: AbsentBuilder::default(),
            next: start,
        }
    }

    /// Everything up to `offset` that is not on record yet is absent.
    pub fn pass_to(&mut self, offset: Offset) {
        if let Ok(run) = OffsetRange::new(self.next, offset) {
            self.absent.push(run);
            self.next = offset;
        }
    }

    /// The next offset has a row.
    pub fn pass(&mut self, row: i64) {
        if let Some(offset) = Offset::new(row) {
            self.pass_to(offset);
            self.next = offset.plus(1);
        }
    }

    /// The next results have rows, and so have the rejects that lie before them.
    pub fn pass_results(
        &mut self,
        results: impl Iterator<Item = i64>,
        rejects: &mut Peekable<impl Iterator<Item = i64>>,
    ) {
        for result in results {
            while let Some(reject) = rejects.next_if(|reject| *reject < result) {
                self.pass(reject);
            }
            self.pass(result);
        }
    }
}

fn text(runs: &[OffsetRange]) -> String {
    let mut text = String::new();
    for (index, run) in runs.iter().enumerate() {
        let separator = if index == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{run}");
    }
    text
}

impl std::fmt::Display for Absent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Absent::Ranges(runs) => f.write_str(&text(runs)),
            Absent::Digest(digest) => write!(f, "sha256:{}", hex::encode(digest)),
        }
    }
}

impl FromStr for Absent {
    type Err = NotAbsent;

    fn from_str(text: &str) -> Result<Absent, NotAbsent> {
        let wrong = || NotAbsent(text.chars().take(80).collect());
        if let Some(digits) = text.strip_prefix("sha256:") {
            let mut digest = [0; 32];
            return match hex::decode_to_slice(digits, &mut digest) {
                Ok(()) => Ok(Absent::Digest(digest)),
                Err(_) => Err(wrong()),
            };
        }
        let mut runs: Vec<OffsetRange> = Vec::new();
        for run in text.split(',').filter(|_| !text.is_empty()) {
            let (start, end) = run.split_once('-').ok_or_else(wrong)?;
            let offset = |text: &str| text.parse().ok().and_then(Offset::new).ok_or_else(wrong);
            let run = OffsetRange::new(offset(start)?, offset(end)?).map_err(|_| wrong())?;
            let follows = runs.last().is_none_or(|last| last.end() < run.start());
            if run.is_empty() || !follows || runs.len() == LISTED {
                return Err(wrong());
            }
            runs.push(run);
        }
        Ok(Absent::Ranges(runs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: i64, end: i64) -> OffsetRange {
        OffsetRange::new(Offset::new(start).unwrap(), Offset::new(end).unwrap()).unwrap()
    }

    fn built(runs: impl IntoIterator<Item = OffsetRange>) -> Absent {
        let mut builder = AbsentBuilder::default();
        runs.into_iter().for_each(|run| builder.push(run));
        builder.finish()
    }

    #[test]
    fn runs_are_joined_and_read_back() {
        let absent = built([run(3, 5), run(5, 6), run(7, 7), run(9, 10)]);
        assert_eq!(absent.to_string(), "3-6,9-10");
        assert_eq!("3-6,9-10".parse(), Ok(absent));
        assert_eq!("".parse(), Ok(Absent::none()));
        for text in [
            "3",
            "3-3",
            "5-3",
            "3-6,6-7",
            "9-10,3-6",
            "-1-2",
            "3-6,",
            "sha256:12",
        ] {
            assert!(text.parse::<Absent>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_digest_among_runs_is_digested_with_them() {
        let mut builder = AbsentBuilder::default();
        builder.push(run(1, 2));
        builder.push_digest([7; 32]);
        builder.push(run(9, 10));
        let text = format!("1-2,sha256:{},9-10", "07".repeat(32));
        assert_eq!(
            builder.finish(),
            Absent::Digest(Sha256::digest(text).into())
        );
        let mut builder = AbsentBuilder::default();
        builder.push_digest([7; 32]);
        let text = format!("sha256:{}", "07".repeat(32));
        assert_eq!(
            builder.finish(),
            Absent::Digest(Sha256::digest(text).into())
        );
    }

    #[test]
    fn a_thousand_runs_are_listed_and_more_are_digested() {
        let runs = |count: i64| (0..count).map(|i| run(2 * i, 2 * i + 1));
        let (listed, digested) = (built(runs(1000)), built(runs(1001)));
        assert!(matches!(&listed, Absent::Ranges(runs) if runs.len() == 1000));
        assert_eq!(listed.to_string().parse(), Ok(listed));
        assert_eq!(
            digested,
            Absent::Digest(Sha256::digest(text(&runs(1001).collect::<Vec<_>>())).into())
        );
        assert_eq!(digested.to_string().parse(), Ok(digested.clone()));
        assert_ne!(digested, built(runs(1002)));
    }
}
