//! The rejects of a run, summed up by reason, with the declaration that would accept them.

use std::collections::BTreeMap;

/// Rejects by reason code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Counts `count` rejects of one code.
    pub fn add(&mut self, code: &str, count: u64) {
        match self.0.get_mut(code) {
            Some(known) => *known += count,
            None => {
                self.0.insert(code.to_owned(), count);
            }
        }
    }

    /// Adds the counts of another worker.
    pub fn merge(&mut self, other: &Tally) {
        for (code, count) in &other.0 {
            self.add(code, *count);
        }
    }

    /// The codes with their numbers, in the order of the codes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(code, count)| (code.as_str(), *count))
    }

    /// How many were rejected in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// One line for people, `None` without rejects: `12 rejects: 9 fraction, 3 truncated-json; ...advice`.
    /// `advice` gives, for a code, the declaration that would accept such events.
    #[must_use]
    pub fn line(&self, advice: impl Fn(&str) -> Option<&'static str>) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut codes: Vec<(&str, u64)> = self
            .0
            .iter()
            .map(|(code, count)| (code.as_str(), *count))
            .collect();
        codes.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
        let list: Vec<String> = codes
            .iter()
            .map(|(code, count)| format!("{count} {code}"))
            .collect();
        let mut line = format!("{} rejects: {}", self.total(), list.join(", "));
        let mut accepted: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (code, count) in codes {
            if let Some(declaration) = advice(code) {
                *accepted.entry(declaration).or_default() += count;
            }
        }
        for (declaration, count) in accepted {
            line.push_str(&format!("; {declaration} would accept {count} of them"));
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_the_most_frequent_reason_first_and_what_would_accept_it() {
        let mut tally = Tally::default();
        tally.add("truncated-json", 3);
        tally.add("fraction", 8);
        tally.add("fraction", 1);
        let line = tally.line(|code| (code == "fraction").then_some("--fields 'number DOUBLE'"));
        assert_eq!(
            line.as_deref(),
            Some(
                "12 rejects: 9 fraction, 3 truncated-json; --fields 'number DOUBLE' would accept 9 of them"
            )
        );
    }

    #[test]
    fn without_rejects_there_is_nothing_to_say() {
        assert_eq!(Tally::default().line(|_| None), None);
    }
}
