//! What every task of verifying needs.

use std::{sync::Arc, time::Instant};

use tokio::sync::Semaphore;

use super::{Level, groups::Group, inspect::Evaluators};
use crate::{
    calculation::{Calculations, Declaration},
    format::{Layout, Segment},
    history::{END, LARGE},
    store::Store,
};

/// What every task needs.
#[derive(Clone)]
pub(super) struct Verification {
    pub store: Store,
    pub layout: Layout,
    pub level: Level,
    pub calculations: Calculations,
    /// The calculation that all should be of.
    pub given: Option<Declaration>,
    /// When to give up.
    pub until: Option<Instant>,
    /// Segments of more bytes are read in parts.
    pub large: u64,
    /// So much of their end at first.
    pub end: u64,
    /// What the groups that are read at a time may take of memory, in kilobytes; `None` when they are read one by one.
    pub memory: Option<Arc<Semaphore>>,
}

impl Verification {
    /// What a check of every value needs, each under its own calculation.
    pub fn semantic(store: Store, layout: Layout, calculations: Calculations) -> Verification {
        Verification {
            store,
            layout,
            level: Level::Semantic,
            calculations,
            given: None,
            until: None,
            large: LARGE,
            end: END,
            memory: None,
        }
    }

    /// Those of the calculations of a group that this program has.
    pub fn evaluators(&self, declared: &[Declaration], group: &Group) -> Evaluators {
        let mut evaluators = Evaluators::new();
        if self.level < Level::Semantic {
            return evaluators;
        }
        for Segment { fingerprint, .. } in &group.segments {
            let declared = declared
                .iter()
                .find(|declared| declared.fingerprint == *fingerprint);
            if let Some(declared) = declared.filter(|_| !evaluators.contains_key(fingerprint))
                && let Ok(evaluator) = self.calculations.evaluator(declared)
            {
                evaluators.insert(fingerprint.clone(), evaluator);
            }
        }
        evaluators
    }
}
