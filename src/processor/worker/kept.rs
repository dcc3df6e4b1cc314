//! Of which partitions it was said that their stored history stays as it is. Pure.

use std::collections::BTreeMap;

use crate::{
    calculation::{CarryChoices, Fingerprint},
    model::Partition,
};

/// By which other calculation the newest of each partition was made when that was said.
#[derive(Debug, Default)]
pub(super) struct SaidKept(BTreeMap<Partition, Fingerprint>);

impl SaidKept {
    /// Whether the newest of a partition was made by another calculation than `ours`, and that is news. What differs in
    /// `--carry` alone is no other one: the results are the same.
    pub fn is_news(
        &mut self,
        partition: Partition,
        newest: &Fingerprint,
        ours: &CarryChoices,
    ) -> bool {
        ours.find(newest).is_none()
            && self.0.insert(partition, newest.clone()).as_ref() != Some(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        calculation::{Carry, Evaluator, builtin},
        events::Fields,
    };

    #[test]
    fn another_calculation_is_said_once_and_another_carry_never() {
        let evaluator = |calculation: &str, carry: &str| {
            let fields = Fields::parse("number BIGINT").unwrap();
            let evaluator = Evaluator::new(fields, builtin(calculation).unwrap()).unwrap();
            match carry {
                "" => evaluator,
                carry => evaluator.with_carry(Carry::parse(carry).unwrap()),
            }
        };
        let ours = evaluator("number + 1", "key");
        let mut said = SaidKept::default();
        let mut is_news = |partition, calculation, carry| {
            let newest = evaluator(calculation, carry);
            said.is_news(
                Partition(partition),
                newest.fingerprint(),
                ours.carry_choices(),
            )
        };
        for carry in ["", "key", "timestamp", "key,timestamp"] {
            assert!(!is_news(0, "number + 1", carry), "{carry:?}");
        }
        assert!(is_news(0, "number + 2", ""));
        assert!(!is_news(0, "number + 2", ""));
        assert!(is_news(1, "number + 2", ""));
        // That of another calculation again is news, as after a repair.
        assert!(is_news(0, "number + 3", "key"));
    }
}
