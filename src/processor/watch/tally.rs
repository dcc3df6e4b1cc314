//! The rejects of a run, summed up by reason, with some of them to try other declarations on.

use std::{collections::BTreeMap, sync::Arc};

use crate::{events::reason_code, model::Reject};

/// So many payloads of each reason are kept, none of them larger.
const MOST_KEPT: usize = 20;
const LARGEST_KEPT: usize = 4 << 10;

/// Rejects by reason code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<String, OfCode>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OfCode {
    count: u64,
    kept: Vec<Arc<[u8]>>,
}

impl Tally {
    /// Counts a reject.
    pub fn reject(&mut self, reject: &Reject) {
        let of_code = self.of_code(reason_code(&reject.reason));
        of_code.count += 1;
        if let Some(payload) = &reject.payload
            && of_code.kept.len() < MOST_KEPT
            && payload.len() <= LARGEST_KEPT
        {
            of_code.kept.push(payload.as_slice().into());
        }
    }

    /// Counts `count` rejects of one code.
    pub fn add(&mut self, code: &str, count: u64) {
        self.of_code(code).count += count;
    }

    /// Adds the counts of another worker.
    pub fn merge(&mut self, other: &Tally) {
        for (code, theirs) in &other.0 {
            let ours = self.of_code(code);
            ours.count += theirs.count;
            let room = MOST_KEPT.saturating_sub(ours.kept.len());
            ours.kept.extend(theirs.kept.iter().take(room).cloned());
        }
    }

    fn of_code(&mut self, code: &str) -> &mut OfCode {
        self.0.entry(code.to_owned()).or_default()
    }

    /// The codes with their numbers, in the order of the codes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0
            .iter()
            .map(|(code, of_code)| (code.as_str(), of_code.count))
    }

    /// How many were rejected in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().map(|of_code| of_code.count).sum()
    }

    /// The codes with their numbers, the most frequent first: `9 fraction, 3 not-json`.
    #[must_use]
    pub fn list(&self) -> String {
        let mut codes: Vec<(&str, u64)> = self.iter().collect();
        codes.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
        let list: Vec<String> = codes
            .iter()
            .map(|(code, count)| format!("{count} {code}"))
            .collect();
        list.join(", ")
    }

    /// One line for people, `None` without rejects: `12 rejects: 9 fraction, 3 not-json`. `accepting` tries payloads again,
    /// and says which flags would accept how many of them.
    #[must_use]
    pub fn line(
        &self,
        accepting: impl FnOnce(&[&[u8]]) -> Option<(String, usize)>,
    ) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut line = format!("{} rejects: {}", self.total(), self.list());
        let kept = self.0.values().flat_map(|of_code| &of_code.kept);
        let kept: Vec<&[u8]> = kept.map(AsRef::as_ref).collect();
        if let Some((flags, accepted)) = accepting(&kept) {
            line.push_str(&format!(
                "; {flags} would accept {accepted} of {} that were tried again",
                kept.len()
            ));
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Offset;

    fn reject(reason: &str, payload: &[u8]) -> Reject {
        Reject {
            offset: Offset::ZERO,
            timestamp: None,
            key: None,
            payload: Some(payload.to_vec()),
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn the_line_names_the_most_frequent_reason_first_and_what_would_accept_it() {
        let mut tally = Tally::default();
        tally.add("not-json", 3);
        tally.add("fraction", 8);
        tally.reject(&reject("fraction: field number is 1.5", b"1.5"));
        let line = tally.line(|kept| {
            assert_eq!(kept, [b"1.5"]);
            Some(("--fields 'number DOUBLE'".to_owned(), 1))
        });
        assert_eq!(
            line.as_deref(),
            Some(
                "12 rejects: 9 fraction, 3 not-json; --fields 'number DOUBLE' would accept 1 of 1 that were tried again"
            )
        );
    }

    #[test]
    fn of_any_number_of_rejects_only_a_few_small_ones_are_kept() {
        let mut tally = Tally::default();
        for _ in 0..100 {
            let mut other = Tally::default();
            other.reject(&reject("a: x", b"x"));
            other.reject(&reject("a: x", &[b'x'; LARGEST_KEPT + 1]));
            tally.merge(&other);
        }
        assert_eq!(tally.iter().collect::<Vec<_>>(), [("a", 200)]);
        let line = tally.line(|kept| {
            assert_eq!(kept.len(), MOST_KEPT);
            None
        });
        assert_eq!(line.as_deref(), Some("200 rejects: 200 a"));
    }

    #[test]
    fn without_rejects_there_is_nothing_to_say() {
        assert_eq!(Tally::default().line(|_| None), None);
    }
}
