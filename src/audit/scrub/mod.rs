//! The scrub: stored history, verified again and again beside a running processor, and mended where it is wrong.
//!
//! In flow a partition's chain and what is known of earlier rounds ([`Verified`]); out flow one verified group of segments at
//! a time ([`Scrubbed`]) and, when it may and can be mended, the files that mend it. The caller brings them into the chain with
//! an edit like any other and has them read back ([`read_back`](super::read_back)). What was found is never an error.
//!
//! It is careful, because nobody has asked for it:
//! - Only ranges of the running calculation are mended: what another process calculates is that one's to judge.
//! - Wrong values are calculated twice more; answers that differ are `not-deterministic`, and nothing is mended.
//! - More than one wrong value in [`MOST_WRONG`] of a range looks like another calculation, not like damage: a person decides.
//! - What a newer manifest does not list any more is no finding.
//!
//! Which offsets have an outcome never changes (I4), and what changes becomes corrections (I6): it mends as `repair` does.
//! Pages are read one at a time, when something that they list is due.
//! Memory: one page, the files of one group, of large ones a row group at a time, and a batch of rows of each; where it is damaged,
//! all of its files, and their successors.

mod choice;
mod judge;

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use choice::{Known, LOOK_AGAIN, Next, is_turn, next, next_of};
pub use judge::MOST_WRONG;
use judge::{Judgement, judge};

use super::{
    AuditError, Finding, FindingKind, Mend, Mended, RecalculateError, Recalculator, RepairError,
    RepairPlan, Source,
    examine::{examine, in_memory},
    groups::Group,
    instructions::{self, Commands},
    repair::{Unmade, in_attic, make, put_back},
    verification::Verification,
};
use crate::{
    calculation::Calculations,
    format::{Listed, Manifest, OpenPage, PageLink, Segment, Verified},
    history::{Chain, Repair, load_tail, read_listed_of},
    model::{Digest, OffsetRange},
    recovery::Invocation,
};

/// What verifies and mends stored history beside a running processor.
#[derive(Clone)]
pub struct Scrubber {
    /// The running calculation, and what ranges are mended with.
    pub recalculator: Recalculator,
    /// Those that stored outcomes are compared with.
    pub calculations: Calculations,
    /// How the program was started, for the commands that findings name.
    pub invocation: Invocation,
    /// Whether it mends what it may; else it says what it has found.
    pub mends: bool,
    /// From one verification of a segment to the next.
    pub every: Duration,
}

/// A group of segments that was verified.
pub struct Scrubbed {
    /// The segments.
    pub segments: Vec<Segment>,
    /// Their outcomes.
    pub rows: u64,
    /// What is wrong with them.
    pub findings: Vec<Finding>,
    /// What becomes of it.
    pub then: Then,
}

/// What becomes of a group that was verified.
pub enum Then {
    /// Nothing: it is right, or live no more.
    Nothing,
    /// It is damaged, and nothing is decided yet.
    Damaged,
    /// Its findings are shown, and this is why it is not mended.
    Left(String),
    /// What could mend it is away, for this reason: it is not taken for verified.
    Later(String),
    /// It lay in the attic, and is back at its own path.
    PutBack,
    /// These files mend it.
    Mend(Box<(Mend, Repair)>),
}

/// What is to be done next.
#[derive(Debug)]
pub enum Turn {
    /// These are to be verified.
    Verify(Chosen),
    /// This page is to be read: something that it lists is due.
    Open(PageLink),
    /// Nothing is due before this moment; `None` when nothing is stored.
    Rest(Option<DateTime<Utc>>),
}

/// Segments that are to be verified together.
#[derive(Debug)]
pub struct Chosen(Group);

impl Chosen {
    /// How large their files are, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// What verifying them holds of these at a time, in bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.0.segments.iter().map(in_memory).sum()
    }
}

impl Scrubber {
    /// What is due first of what the newest manifest lists. `page` is the one that was opened last; those in `unread` cannot be
    /// read now.
    #[must_use]
    pub fn next(
        &self,
        newest: &Manifest,
        page: Option<&OpenPage>,
        unread: &BTreeSet<Digest>,
        verified: &mut Verified,
        now: DateTime<Utc>,
    ) -> Turn {
        verified.follow(newest, now);
        page.into_iter().for_each(|page| verified.read(page));
        let seen = (newest, unread);
        let link = match next(self.known(seen, verified, now)) {
            Next::Verify(group) => return Turn::Verify(Chosen(group)),
            Next::Rest(until) => return Turn::Rest(until),
            Next::Open(link) => link,
        };
        let Some(open) = page.filter(|page| page.link == link) else {
            return Turn::Open(link);
        };
        let is_its_turn = is_turn(self.known(seen, verified, now), &link);
        if is_its_turn {
            verified.begin(&link);
        }
        let known = self.known(seen, verified, now);
        if let Some(group) = next_of(known, &open.page, is_its_turn) {
            return Turn::Verify(Chosen(group));
        }
        verified.nothing_of(open);
        Turn::Rest(
            TimeDelta::from_std(LOOK_AGAIN)
                .ok()
                .map(|pause| now + pause),
        )
    }

    fn known<'k>(
        &self,
        (newest, unread): (&'k Manifest, &'k BTreeSet<Digest>),
        verified: &'k Verified,
        now: DateTime<Utc>,
    ) -> Known<'k> {
        Known {
            newest,
            unread,
            verified,
            now,
            every: self.every,
        }
    }

    /// Verifies segments at every level that needs no Kafka. What it finds wrong is to be [settled](Scrubber::settle).
    ///
    /// # Errors
    /// When the store is away; the same step may be taken later.
    pub async fn look(
        &self,
        chain: &Chain,
        newest: &Manifest,
        (Chosen(group), page): (Chosen, Option<&OpenPage>),
        verified: &mut Verified,
        now: DateTime<Utc>,
    ) -> Result<Scrubbed, AuditError> {
        let segments = group.segments.clone();
        let (rows, mut findings) = self.examine(chain, newest, group).await?;
        let is_damaged = findings.iter().any(Finding::is_damage);
        if !is_damaged {
            verified.mark(&segments, page, now, findings.len() as u64);
        }
        self.complete(&mut findings);
        Ok(Scrubbed {
            segments,
            rows,
            findings,
            then: match is_damaged {
                true => Then::Damaged,
                false => Then::Nothing,
            },
        })
    }

    /// Decides what becomes of a group that is damaged, and makes what mends it. It changes nothing but what a crash left in
    /// the attic.
    ///
    /// # Errors
    /// When the store is away; the same step may be taken later.
    pub async fn settle(
        &self,
        chain: &Chain,
        (scrubbed, page): (&mut Scrubbed, Option<&OpenPage>),
        verified: &mut Verified,
        now: DateTime<Utc>,
    ) -> Result<(), RepairError> {
        let (store, layout) = (chain.store(), chain.layout());
        let tail = load_tail(store, layout, chain.partition()).await?;
        let segments = &scrubbed.segments;
        let range = segments.iter().map(|segment| segment.range);
        let range = range.reduce(|one, other| {
            let (start, end) = (one.start().min(other.start()), one.end().max(other.end()));
            OffsetRange::new(start, end).unwrap_or(one)
        });
        let newest = match (tail.newest, range) {
            (Some(newest), Some(range)) => {
                let listed = read_listed_of(store, layout, newest, range).await?;
                let mut segments = segments.iter();
                let is_live = segments.all(|segment| listed.lists(&segment.path));
                (is_live || listed.is_unread(range)).then_some(listed)
            }
            _ => None,
        };
        let Some(newest) = newest else {
            // Somebody has replaced it meanwhile.
            scrubbed.findings.clear();
            scrubbed.then = Then::Nothing;
            verified.mark(segments, page, now, 0);
            return Ok(());
        };
        scrubbed.then = match self.mending(chain, &newest, &mut scrubbed.findings).await {
            Ok(then) => then,
            Err(why) => Then::Later(why.to_string()),
        };
        if !matches!(scrubbed.then, Then::Later(_)) {
            let findings = scrubbed.findings.len() as u64;
            verified.mark(&scrubbed.segments, page, now, findings);
        }
        self.complete(&mut scrubbed.findings);
        Ok(())
    }

    /// The findings with commands that can be copied, in the order of a report.
    fn complete(&self, findings: &mut [Finding]) {
        let commands = Commands::of(&self.invocation);
        findings
            .iter_mut()
            .for_each(|finding| commands.complete(finding));
        findings.sort_by_cached_key(Finding::order);
    }

    async fn examine(
        &self,
        chain: &Chain,
        newest: &Manifest,
        group: Group,
    ) -> Result<(u64, Vec<Finding>), AuditError> {
        let (store, layout) = (chain.store().clone(), chain.layout().clone());
        let context = Verification::semantic(store, layout, self.calculations.clone());
        let evaluators = context.evaluators(&newest.calculations, &group);
        let inspected = examine(context, chain.partition(), group, evaluators).await?;
        let inspected = inspected.unwrap_or_default();
        Ok((inspected.results + inspected.rejects, inspected.findings))
    }

    /// What becomes of a group with findings.
    async fn mending(
        &self,
        chain: &Chain,
        newest: &Listed,
        findings: &mut Vec<Finding>,
    ) -> Result<Then, RepairError> {
        let left = |why: &str| Ok(Then::Left(why.to_owned()));
        if !self.mends {
            return left("--scrub report mends nothing");
        }
        let damage = findings.iter().filter(|finding| finding.is_damage());
        let damage: Vec<Finding> = damage.cloned().collect();
        let in_attic = in_attic(chain.store(), newest, &damage).await?;
        let mut plan = RepairPlan::of(newest, chain.partition(), damage, &in_attic);
        // One group is one range, or none.
        let Some(mend) = plan.mends.pop().filter(|_| plan.left.is_empty()) else {
            return left("nothing that mends it is known to a running processor");
        };
        let ours = self.recalculator.evaluator.fingerprint();
        let mut segments = mend.range.segments.iter();
        if !segments.all(|segment| segment.fingerprint == *ours) {
            return left("it is of another calculation than the running one");
        }
        if mend.source == Source::Attic {
            return Ok(match put_back(&self.calculations, chain, &mend).await? {
                Mended::Left(why) | Mended::Gone(why) => Then::Left(why),
                Mended::Done { .. } | Mended::Lost { .. } | Mended::Overtaken => Then::PutBack,
            });
        }
        let first = match make(&self.recalculator, chain, &mend).await? {
            Ok(repair) => repair,
            Err(left) => return Ok(Then::Left(why(left))),
        };
        if mend.source == Source::StoredInputs {
            let second = match make(&self.recalculator, chain, &mend).await? {
                Ok(repair) => repair,
                Err(left) => return Ok(Then::Left(why(left))),
            };
            match judge(first.files(), second.files()).map_err(RecalculateError::from) {
                Ok(Judgement::Mend) => {}
                Ok(Judgement::NotDeterministic) => {
                    findings.push(not_deterministic(&mend));
                    return left("the calculation gives another answer each time");
                }
                Ok(Judgement::TooMany { wrong, rows }) => {
                    return Ok(Then::Left(format!(
                        "{wrong} of its {rows} outcomes are others than the calculation gives, more than one in {MOST_WRONG}: is it the right one? `snapback repair --apply` mends it"
                    )));
                }
                Err(error) => return Ok(Then::Left(error.to_string())),
            }
        }
        Ok(Then::Mend(Box::new((mend, first))))
    }
}

/// Why a range stays as it is.
fn why(unmade: Unmade) -> String {
    match unmade {
        Unmade::Left(why) | Unmade::NotTaken(why) => why,
        Unmade::Gone(why) => format!("{why}; `snapback repair --apply` says what can be done"),
    }
}

/// A calculation that does not give the same twice.
fn not_deterministic(mend: &Mend) -> Finding {
    let detail = format!(
        "{} gave two answers for the same stored inputs: what is right is not known",
        mend.declaration
    );
    let remedy = instructions::not_deterministic();
    let kind = FindingKind::NotDeterministic;
    let finding = Finding::new(kind, mend.partition, mend.range.range, detail, remedy);
    match mend.range.segments.first() {
        Some(segment) => finding.of(&segment.path),
        None => finding,
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod verified_tests;
