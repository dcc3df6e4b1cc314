//! What the checks of a running process have found wrong, for as long as it is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Board, Reason, board::Trouble};
use crate::{
    audit::Finding,
    format::{Manifest, Segment},
    model::{OffsetRange, Partition},
};

/// See the module. It is a reason for being degraded while there are any.
pub(in crate::processor) struct Findings {
    list: Mutex<List>,
    shown: Trouble,
    board: Board,
}

/// What is wrong, and with which segments.
#[derive(Default)]
pub(in crate::processor) struct List {
    pub findings: Vec<Finding>,
    pub segments: Vec<Segment>,
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
    pub fn are(&self, checked: &[Segment], findings: &[Finding]) -> Vec<Finding> {
        let mut list = self.lock();
        if list.findings.is_empty() && findings.is_empty() {
            return Vec::new();
        }
        let is_new = |finding: &&Finding| !list.findings.contains(finding);
        let new = findings.iter().filter(is_new).cloned().collect();
        list.retain(|finding| !is_about(finding, checked) && !findings.contains(finding));
        list.findings.extend_from_slice(findings);
        let with_findings = checked.iter().filter(|segment| {
            let mut findings = findings.iter();
            findings.any(|finding| is_about(finding, std::slice::from_ref(segment)))
        });
        list.segments.extend(with_findings.cloned());
        self.show(&list);
        new
    }

    /// Forgets those about segments that the partition's newest manifest does not list any more: somebody has mended them.
    pub fn keep_live(&self, newest: &Manifest) {
        let mut list = self.lock();
        let before = list.findings.len();
        if before == 0 {
            return;
        }
        list.retain(|finding| {
            let live = |path| {
                let mut files = newest.open.files();
                files.any(|segment| segment.path.as_str() == path)
            };
            // What a page lists stays as it is until the page is reopened.
            let in_page = OffsetRange::new(finding.start, finding.end)
                .is_ok_and(|range| newest.pages_over(range).next().is_some());
            finding.partition != newest.partition
                || in_page
                || finding.segment.as_deref().is_none_or(live)
        });
        if list.findings.len() < before {
            self.show(&list);
        }
    }

    /// What was found of pages that cannot be read takes the place of what was found of a partition's pages before. Returns those of
    /// them that are new.
    pub fn of_pages_are(&self, partition: Partition, findings: &[Finding]) -> Vec<Finding> {
        let mut list = self.lock();
        let is_before =
            |finding: &Finding| finding.partition == partition && finding.is_about_a_page();
        if findings.is_empty() && !list.findings.iter().any(is_before) {
            return Vec::new();
        }
        let is_new = |finding: &&Finding| !list.findings.contains(finding);
        let new = findings.iter().filter(is_new).cloned().collect();
        list.retain(|finding| !is_before(finding));
        list.findings.extend_from_slice(findings);
        self.show(&list);
        new
    }

    /// All that are left.
    pub fn take(&self) -> List {
        std::mem::take(&mut self.lock())
    }

    fn show(&self, list: &List) {
        let findings = &list.findings;
        self.board
            .scrub(|scrub| scrub.findings.clone_from(findings));
        match findings.first() {
            Some(first) => {
                let count = findings.len();
                let text =
                    format!("{count} in what is stored, the first: {first}; see `snapback verify`");
                self.shown.is(Reason::Findings, text);
            }
            None => self.shown.is_over(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    /// Keeps some, and the segments that these are about.
    pub fn retain(&mut self, keep: impl FnMut(&Finding) -> bool) {
        self.findings.retain(keep);
        let findings = &self.findings;
        self.segments.retain(|segment| {
            let mut findings = findings.iter();
            findings.any(|finding| is_about(finding, std::slice::from_ref(segment)))
        });
    }
}

/// Whether it is about one of these.
pub(in crate::processor) fn is_about(finding: &Finding, segments: &[Segment]) -> bool {
    let path = finding.segment.as_deref();
    let mut segments = segments.iter();
    segments.any(|segment| Some(segment.path.as_str()) == path)
}
