//! One calculation under every `--carry`.

use super::{Carry, Fingerprint};

/// The fingerprints of one calculation under every choice of what messages carry. They differ in how results are published, and
/// not in the results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CarryChoices(Vec<(Fingerprint, Carry)>);

impl CarryChoices {
    /// Those of the calculation that has the fingerprint `plain` where nothing is carried.
    pub(super) fn of(plain: &Fingerprint) -> CarryChoices {
        let choices = Carry::ALL.map(|carry| {
            let fingerprint = match carry.any() {
                true => plain.carrying(&carry.to_string()),
                false => plain.clone(),
            };
            (fingerprint, carry)
        });
        CarryChoices(choices.to_vec())
    }

    /// What messages carry under this fingerprint; `None` when it is that of another calculation.
    #[must_use]
    pub fn find(&self, fingerprint: &Fingerprint) -> Option<Carry> {
        let mut choices = self.0.iter();
        let found = choices.find(|(of, _)| of == fingerprint);
        found.map(|(_, carry)| *carry)
    }
}
