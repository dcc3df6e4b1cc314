//! Manifests that are damaged, gone or rewritten: what can be mended of them without a guess.
//!
//! The newest manifest accounts for every offset by itself. So a number below it that cannot be used is let go: the history
//! begins after it, by an edit that says so. What numbers above the newest good one had added is appended again from its
//! segments, as far as these state themselves that they are whole, were made for an append, and continue the chain; the edit
//! has the damage on record. The bytes of a damaged manifest stay where they are.

use super::{
    super::finding::Finding,
    outcome::{Mended, RepairError},
};
use crate::{
    calculation::Declaration,
    format::{Edit, Manifest},
    history::{Appended, Chain, ChainError, readopt},
    model::{Partition, Sequence},
};

/// Others may be faster so often.
const RACES: u32 = 20;

/// How a chain is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestRemedy {
    /// The history begins with this number: what is below is not needed.
    Retire {
        /// The number after the last one that cannot be used.
        oldest: Sequence,
    },
    /// What the newest manifests added, which cannot be read, is appended again from its segments.
    Readopt,
}

/// Manifests of one partition to be mended by one edit, or one for each append that is found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestMend {
    /// The partition.
    pub partition: Partition,
    /// How.
    pub remedy: ManifestRemedy,
    /// The calculation of the newest segments.
    pub declaration: Declaration,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// In the order in which it is to be done: what can be done about the manifests that findings of a partition name, whose newest manifest is `newest`; and what cannot.
pub(super) fn plan(newest: &Manifest, findings: Vec<Finding>) -> (Vec<ManifestMend>, Vec<Finding>) {
    let segment = newest.open.segments.last();
    let declaration = segment.and_then(|segment| newest.declaration(&segment.fingerprint));
    // Where pages list all of them, any calculation will do.
    let declaration = declaration.or(newest.calculations.last());
    let Some(declaration) = declaration else {
        return (Vec::new(), findings);
    };
    // The group's last commit must not name what the history has let go.
    let most = newest
        .committed
        .map_or(newest.oldest, |commit| commit.sequence);
    let (mut below, mut above, mut left) = (Vec::new(), Vec::new(), Vec::new());
    let mut oldest = newest.oldest;
    for mut finding in findings {
        match finding.manifest {
            Some(number) if number > newest.sequence => above.push(finding),
            Some(number) if number < most => {
                oldest = oldest.max(number.next());
                below.push(finding);
            }
            Some(number) => {
                finding.remedy = format!(
                    "{}. The group's last commit that is known names manifest {most}: manifest {number} can be let go when a \
                     later commit is known, which the next snapshots of a running processor say",
                    finding.remedy
                );
                left.push(finding);
            }
            None => left.push(finding),
        }
    }
    // Any other edit would have the damage of the newest on record, and nobody would look for what they added any more.
    let remedies = [
        (ManifestRemedy::Readopt, above),
        (ManifestRemedy::Retire { oldest }, below),
    ];
    let remedies = remedies.into_iter();
    let mends = remedies.filter(|(_, findings)| !findings.is_empty());
    let mends = mends.map(|(remedy, findings)| ManifestMend {
        partition: newest.partition,
        remedy,
        declaration: declaration.clone(),
        findings,
    });
    (mends.collect(), left)
}

/// Mends the manifests of the chain's partition.
///
/// # Errors
/// When the store is away; call it again then. What cannot be mended is [`Mended::Left`].
pub async fn mend_manifests(chain: &mut Chain, mend: &ManifestMend) -> Result<Mended, RepairError> {
    match mend.remedy {
        ManifestRemedy::Retire { oldest } => retire(chain, oldest).await,
        ManifestRemedy::Readopt => readopt_newest(chain).await,
    }
}

async fn retire(chain: &mut Chain, oldest: Sequence) -> Result<Mended, RepairError> {
    const DONE: Mended = Mended::Done {
        rows: 0,
        corrections: 0,
    };
    for _ in 0..RACES {
        if chain.newest().is_some_and(|newest| newest.oldest >= oldest) {
            return Ok(DONE);
        }
        match chain.append(Edit::Retire { oldest }, None).await? {
            Appended::Won { .. } => return Ok(DONE),
            Appended::Lost => {}
        }
    }
    Err(RepairError::Chain(ChainError::Outrun {
        partition: chain.partition(),
        races: RACES,
    }))
}

async fn readopt_newest(chain: &mut Chain) -> Result<Mended, RepairError> {
    let ranges = readopt(chain).await?;
    let newest = chain.newest().map(|newest| (newest.sequence, newest.end));
    let Some((sequence, end)) = newest else {
        return Ok(Mended::Left("no manifest can be read".to_owned()));
    };
    if chain.tail().highest <= Some(sequence) {
        let rows = ranges.iter().map(|range| range.len()).sum();
        return Ok(Mended::Done {
            rows,
            corrections: 0,
        });
    }
    Ok(Mended::Left(format!(
        "no whole segment continues the history at offset {end}, so what the manifest had added, if anything, is not proven by what \
         is stored: `snapback run` goes on from manifest {sequence}, and replays what was committed after offset {end} from Kafka, as long as Kafka holds it"
    )))
}

#[cfg(test)]
mod tests;
