//! What Kafka has lost of a range, and the topics of results and dead letters have.

use super::{
    super::rewriting::{Events, Rewriting},
    losses::{self, Losses, place},
};
use crate::{
    audit::{self, Loss, Mend, OutputTopics, RepairPlan, Source, Unmade},
    history::Chain,
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
    /// Whether it can be given up then: the topics do not have it.
    #[serde(skip)]
    is_gone: bool,
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
            is_gone: false,
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
            let unmade = unmade((rewriting, topics), &chain, mend, &loss).await?;
            (rescued.is_gone, rescued.not) = match unmade {
                None => (false, None),
                Some(Unmade::Gone(why)) => (true, Some(why)),
                Some(Unmade::Left(why)) => (false, Some(why)),
            };
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

/// Why a range cannot be made of what was published; `None` when it can.
async fn unmade(
    (rewriting, topics): (&Rewriting, &OutputTopics),
    chain: &Chain,
    mend: &Mend,
    loss: &Loss,
) -> anyhow::Result<Option<Unmade>> {
    let evaluator = match rewriting.calculations.evaluator(&mend.declaration) {
        Ok(evaluator) => evaluator,
        Err(why) => return Ok(Some(Unmade::Gone(why.to_string()))),
    };
    let open = rewriting.open(mend.partition, evaluator, Events::Perhaps);
    let with = match open.await {
        Ok(open) => open.recalculator,
        Err(error) if losses::is_of_no_topic(&error) => {
            return Ok(Some(Unmade::Gone(format!("{error:#}"))));
        }
        Err(error) => return Err(error),
    };
    match audit::try_rescue(&with, topics, chain, mend, loss).await {
        Ok(_) => Ok(None),
        Err(error) => Ok(Some(error.unmade()?)),
    }
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
    let left = plan.mends.iter().filter_map(|mend| {
        let rescued = find(mend, rescued)?;
        let not = rescued.not.as_ref()?;
        let is_given_up = rescued.is_gone && losses.accepts(mend);
        (!is_given_up).then(|| format!("{}: {not}", place(mend)))
    });
    left.collect()
}

/// Whether a range stays as it is, whatever losses are accepted.
pub(super) fn stays(mend: &Mend, rescued: &[Rescued]) -> bool {
    find(mend, rescued).is_some_and(|one| one.not.is_some() && !one.is_gone)
}

fn find<'r>(mend: &Mend, rescued: &'r [Rescued]) -> Option<&'r Rescued> {
    let start = mend.range.range.start();
    let is_it = |one: &&Rescued| one.partition == mend.partition && one.start == start;
    rescued.iter().find(is_it)
}
