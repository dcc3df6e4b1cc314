//! What is said about rejects.

use super::{super::watch::Tally, Shared};
use crate::{
    calculation::widen,
    config::CalculationConfig,
    model::{Event, Offset},
};

impl Shared {
    /// One line about the rejects, with what would accept those of them that were kept.
    pub fn reject_line(&self, rejects: &Tally) -> Option<String> {
        let CalculationConfig {
            fields,
            calculation,
            condition,
            ..
        } = &self.settings.calculation;
        rejects.line(|payloads| {
            let events: Vec<Event<'_>> = payloads.iter().copied().map(event).collect();
            let proposal = widen(&events, fields, calculation, condition.as_ref())?;
            Some((proposal.flags(), proposal.accepted))
        })
    }
}

/// An event of which only the payload is known.
fn event(payload: &[u8]) -> Event<'_> {
    Event {
        offset: Offset::ZERO,
        timestamp: None,
        key: None,
        payload: Some(payload),
    }
}
