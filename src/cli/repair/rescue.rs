//! What Kafka has lost of a range, and the topics of results and dead letters have.

use super::{
    super::rewriting::{Events, Rewriting},
    losses::{Losses, place},
};
use crate::{
    audit::{self, Loss, Mend, OutputTopics, RepairPlan, Source},
    model::{Offset, Partition},
};

/// A range a part of which comes from what was published.
#[derive(serde::Serialize)]
pub(super) struct Rescued {
    partition: Partition,
    /// The first offset of the range.
    start: Offset,
    /// Where the part ends that comes from the topics.
    end: Offset,
    /// Where the rest ends, which comes from Kafka.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Offset>,
    /// Why it cannot be made, in a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    not: Option<String>,
}

impl Rescued {
    pub fn of(mend: &Mend, loss: &Loss) -> Rescued {
        let (part, end) = (audit::published_part(mend, loss), mend.range.range.end());
        Rescued {
            partition: mend.partition,
            start: part.start(),
            end: part.end(),
            kept: (part.end() < end).then_some(end),
            not: None,
        }
    }
}

/// Which of the ranges that are to be made again from Kafka would have to be rescued, and whether they can be: it is tried, and
/// nothing is stored. What cannot be found out now, the command finds out when it is to do it.
pub(super) async fn plan(
    rewriting: &Rewriting,
    topics: &OutputTopics,
    plan: &RepairPlan,
) -> Vec<Rescued> {
    let mut found = Vec::new();
    let (connection, calculations) = (&rewriting.connection, &rewriting.calculations);
    for mend in plan.mends.iter().filter(|one| one.source == Source::Kafka) {
        let tried = async {
            let chain = rewriting.chain(mend.partition, mend.declaration.clone());
            let chain = chain.await?;
            let loss = audit::find_loss(connection, calculations, &chain, mend).await?;
            let Ok(loss) = loss else {
                return anyhow::Ok(None);
            };
            let mut rescued = Rescued::of(mend, &loss);
            let made = async {
                let evaluator = calculations.evaluator(&mend.declaration)?;
                let open = rewriting.open(mend.partition, evaluator, Events::Perhaps);
                let with = open.await?.recalculator;
                anyhow::Ok(audit::try_rescue(&with, topics, &chain, mend, &loss).await?)
            };
            rescued.not = made.await.err().map(|why| format!("{why:#}"));
            Ok(Some(rescued))
        };
        match tried.await {
            Ok(rescued) => found.extend(rescued),
            Err(error) => {
                tracing::warn!("whether Kafka has what is to be mended is not known: {error:#}");
                break;
            }
        }
    }
    found
}

/// Where a range comes from of which Kafka has not everything.
pub(super) fn text(mend: &Mend, rescued: &[Rescued]) -> Option<String> {
    let rescued = find(mend, rescued)?;
    let (start, end) = (rescued.start, rescued.end);
    if rescued.not.is_some() {
        return Some("Kafka does not have all of its events any more".to_owned());
    }
    let published = "made again from the results topic and the dead letters";
    Some(match rescued.kept {
        None => published.to_owned(),
        Some(kept) => {
            format!("{start}-{end} {published}, {end}-{kept} from the events in Kafka")
        }
    })
}

/// Those that cannot be made, and why.
pub(super) fn left(rescued: &[Rescued], plan: &RepairPlan, losses: &Losses) -> Vec<String> {
    let planned = plan.mends.iter().filter(|mend| !losses.accepts(mend));
    let left = planned.filter_map(|mend| {
        let not = find(mend, rescued)?.not.as_ref()?;
        Some(format!("{}: {not}", place(mend)))
    });
    left.collect()
}

fn find<'r>(mend: &Mend, rescued: &'r [Rescued]) -> Option<&'r Rescued> {
    let start = mend.range.range.start();
    let is_it = |one: &&Rescued| one.partition == mend.partition && one.start == start;
    rescued.iter().find(is_it)
}
