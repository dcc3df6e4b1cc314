//! What the checks of a running process have found wrong, for as long as it is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Board, Reason, board::Trouble};
use crate::{audit::Finding, format::Manifest, store::Path};

/// See the module. It is a reason for being degraded while there are any.
pub(in crate::processor) struct Findings {
    list: Mutex<Vec<Finding>>,
    shown: Trouble,
    board: Board,
}

impl Findings {
    pub fn new(board: &Board) -> Findings {
        Findings {
            list: Mutex::default(),
            shown: board.trouble(&[]),
            board: board.clone(),
        }
    }

    /// What a check of these segments found takes the place of what an earlier one did. Returns those of them that are new.
    pub fn are(&self, checked: &[Path], findings: &[Finding]) -> Vec<Finding> {
        let mut list = self.lock();
        if list.is_empty() && findings.is_empty() {
            return Vec::new();
        }
        let is_new = |finding: &&Finding| !list.contains(finding);
        let new = findings.iter().filter(is_new).cloned().collect();
        let is_checked = |finding: &Finding| {
            let path = finding.segment.as_deref();
            checked.iter().any(|checked| Some(checked.as_str()) == path)
        };
        list.retain(|finding| !is_checked(finding) && !findings.contains(finding));
        list.extend_from_slice(findings);
        self.show(&list);
        new
    }

    /// Forgets those about segments that the partition's newest manifest does not list any more: somebody has mended them.
    pub fn keep_live(&self, newest: &Manifest) {
        let mut list = self.lock();
        if list.is_empty() {
            return;
        }
        let before = list.len();
        list.retain(|finding| {
            let live = |path| {
                let mut files = newest.files();
                files.any(|segment| segment.path.as_str() == path)
            };
            finding.partition != newest.partition || finding.segment.as_deref().is_none_or(live)
        });
        if list.len() < before {
            self.show(&list);
        }
    }

    /// All that are left.
    pub fn take(&self) -> Vec<Finding> {
        std::mem::take(&mut self.lock())
    }

    fn show(&self, list: &[Finding]) {
        self.board.scrub(|scrub| scrub.findings = list.to_vec());
        match list.first() {
            Some(first) => {
                let count = list.len();
                let text =
                    format!("{count} in what is stored, the first: {first}; see `snapback verify`");
                self.shown.is(Reason::Findings, text);
            }
            None => self.shown.is_over(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Finding>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
