//! What Kafka has lost of a range, and the topics of results and dead letters have.

use super::{
    super::rewriting::{Events, Rewriting},
    losses::{self, Losses, place},
};
use crate::{
    audit::{self, Loss, Mend, OutputTopics, RepairPlan, Source, Unmade},
    history::Chain,
    model::{Offset, OffsetRange, Partition},
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
    /// Why it cannot be made: in a plan, or where it was given up though the topics may have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    not: Option<Unmade>,
}

impl Rescued {
    /// A range that was made, this part of it from what was published.
    pub fn of(mend: &Mend, part: OffsetRange) -> Rescued {
        let end = mend.range.range.end();
        Rescued {
            partition: mend.partition,
            start: part.start(),
            end: part.end(),
            kept: (part.end() < end).then_some(end),
            not: None,
        }
    }

    /// A range that cannot be made of what was published.
    pub fn not(mend: &Mend, loss: &Loss, why: Unmade) -> Rescued {
        Rescued {
            not: Some(why),
            ..Rescued::of(mend, audit::published_part(mend, loss))
        }
    }

    fn may_be_lost(&self) -> bool {
        matches!(self.not, Some(Unmade::Gone(_) | Unmade::NotTaken(_)))
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
            let made = made((rewriting, topics), &chain, mend, &loss).await?;
            Ok(Some(match made {
                Ok(part) => Rescued::of(mend, part),
                Err(why) => Rescued::not(mend, &loss, why),
            }))
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

/// Which part of a range is made of what was published; or why it cannot be made.
async fn made(
    (rewriting, topics): (&Rewriting, &OutputTopics),
    chain: &Chain,
    mend: &Mend,
    loss: &Loss,
) -> anyhow::Result<Result<OffsetRange, Unmade>> {
    let evaluator = match rewriting.calculations.evaluator(&mend.declaration) {
        Ok(evaluator) => evaluator,
        Err(why) => return Ok(Err(Unmade::Gone(why.to_string()))),
    };
    let open = rewriting.open(mend.partition, evaluator, Events::Perhaps);
    let with = match open.await {
        Ok(open) => open.recalculator,
        Err(error) if losses::is_of_no_topic(&error) => {
            return Ok(Err(Unmade::Gone(format!("{error:#}"))));
        }
        Err(error) => return Err(error),
    };
    match audit::try_rescue(&with, topics, chain, mend, loss).await {
        Ok(made) => Ok(Ok(made.part)),
        Err(error) => Ok(Err(error.unmade()?)),
    }
}

/// Where a range comes from of which Kafka has not everything; where it is given up though the topics may have it, why.
pub(super) fn text(mend: &Mend, rescued: &[Rescued], is_accepted: bool) -> Option<String> {
    let rescued = find(mend, rescued)?;
    let (start, end) = (rescued.start, rescued.end);
    if let Some(not) = &rescued.not {
        let gone = "Kafka does not have all of its events any more";
        return Some(match not {
            Unmade::NotTaken(why) if is_accepted => format!("{gone}, and {why}"),
            _ => gone.to_owned(),
        });
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
        let (Unmade::Left(why) | Unmade::Gone(why) | Unmade::NotTaken(why)) =
            rescued.not.as_ref()?;
        let is_given_up = rescued.may_be_lost() && losses.accepts(mend);
        (!is_given_up).then(|| format!("{}: {why}", place(mend)))
    });
    left.collect()
}

/// Whether something of a range is lost once an operator has accepted that: it is not where the range can be made, nor where nobody
/// can tell yet.
pub(super) fn may_be_lost(mend: &Mend, rescued: &[Rescued]) -> bool {
    find(mend, rescued).is_none_or(Rescued::may_be_lost)
}

fn find<'r>(mend: &Mend, rescued: &'r [Rescued]) -> Option<&'r Rescued> {
    let start = mend.range.range.start();
    let is_it = |one: &&Rescued| one.partition == mend.partition && one.start == start;
    rescued.iter().find(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::Outdated,
        calculation::{Evaluator, builtin},
        events::Fields,
    };

    #[test]
    fn a_range_that_can_be_made_is_not_lost_and_what_is_not_taken_is_said() {
        let range = OffsetRange::new(Offset::ZERO, Offset::ZERO.plus(40)).unwrap();
        let calculation = builtin("square").unwrap();
        let evaluator = Evaluator::new(Fields::default(), calculation).unwrap();
        let mend = Mend {
            partition: Partition(3),
            range: Outdated {
                range,
                segments: Vec::new(),
                silent: None,
            },
            declaration: evaluator.declaration(),
            source: Source::Kafka,
            findings: Vec::new(),
        };
        assert!(may_be_lost(&mend, &[]));
        let why = || "two differ".to_owned();
        for (not, is_lost, said, json) in [
            (None, false, "made again from the results topic", ""),
            (Some(Unmade::Left(why())), false, "any more", "two differ"),
            (Some(Unmade::Gone(why())), true, "any more", "two differ"),
            (
                Some(Unmade::NotTaken(why())),
                true,
                "any more, and two differ",
                "two differ",
            ),
        ] {
            let rescued = [Rescued {
                not,
                ..Rescued::of(&mend, range)
            }];
            assert_eq!(may_be_lost(&mend, &rescued), is_lost);
            let text = text(&mend, &rescued, true).unwrap();
            assert!(text.contains(said), "{text}");
            let found = serde_json::to_value(&rescued[0]).unwrap();
            assert_eq!(found["not"].as_str().unwrap_or_default(), json);
        }
    }
}
