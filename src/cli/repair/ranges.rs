//! One range: mended, or what is said of it, or given up where the operator has accepted that.

use super::{
    super::{
        exit::Exit,
        rewriting::{Events, OpenPartition, Rewriting},
    },
    losses::{self, Losses, place},
    rescue::Rescued,
};
use crate::{
    audit::{self, Loss, Mend, Mended, OutputTopics, Source, Unmade},
    format::Gap,
    model::{OffsetRange, Partition},
};

/// A partition that is open for mends from one source.
pub(super) type Opened = (Source, OpenPartition);

/// What became of a range, the exit code where that is not [`Exit::Findings`], and what of it came from what was published.
pub(super) type Tried = (Mended, Option<Exit>, Option<Rescued>);

/// Mends one range; or says what is lost of it; or records that.
pub(super) async fn one(
    (rewriting, topics): (&Rewriting, &OutputTopics),
    last: &mut Option<Opened>,
    losses: &Losses,
    mend: &Mend,
) -> anyhow::Result<Tried> {
    let (why, exit) = match tried(rewriting, last, mend).await {
        Ok(Mended::Gone(why)) => (why, None),
        Err(error) if mend.source == Source::Kafka && losses::is_of_no_topic(&error) => {
            tracing::error!("{}: {error:#}", place(mend));
            (format!("{error:#}"), Some(Exit::of(&error)))
        }
        mended => return Ok((mended?, None, None)),
    };
    let (connection, calculations) = (&rewriting.connection, &rewriting.calculations);
    let declaration = mend.declaration.clone();
    let mut chain = rewriting.chain(mend.partition, declaration).await?;
    let loss = match audit::find_loss(connection, calculations, &chain, mend).await? {
        Ok(loss) => loss,
        Err(held) => return Ok((Mended::Left(format!("{why}; {held}")), exit, None)),
    };
    let (why, not) = match rescued((rewriting, topics), last, mend, &loss).await? {
        None => (why, None),
        Some(Ok((mended, part))) => return Ok((mended, None, Some(Rescued::of(mend, part)))),
        Some(Err(Unmade::Left(why))) => return Ok((Mended::Left(why), None, None)),
        Some(Err(Unmade::NotTaken(why))) if !losses.accepts(mend) => {
            return Ok((Mended::Left(why), None, None));
        }
        Some(Err(not @ Unmade::NotTaken(_))) => (why, Some(not)),
        Some(Err(Unmade::Gone(more))) => (format!("{why}; {more}"), None),
    };
    if !losses.accepts(mend) {
        return Ok((Mended::Gone(losses.offer(mend, &loss, &why)), exit, None));
    }
    let not = not.map(|not| Rescued::not(mend, &loss, not));
    let open = last.as_ref().map(|(_, open)| &open.recalculator);
    let mended = audit::accept_loss(open, calculations, &mut chain, mend, &loss).await?;
    Ok((mended, None, not))
}

/// Mends a range whose events are gone from what was published of it; `None` when this program cannot calculate it, or Kafka has
/// another topic, whose events have the same names. With the part that came from what was published.
async fn rescued(
    (rewriting, topics): (&Rewriting, &OutputTopics),
    last: &mut Option<Opened>,
    mend: &Mend,
    loss: &Loss,
) -> anyhow::Result<Option<Result<(Mended, OffsetRange), Unmade>>> {
    let Some((_, open)) = last.as_mut().filter(|_| mend.source == Source::Kafka) else {
        return Ok(None);
    };
    let (chain, recalculator) = (&mut open.chain, &open.recalculator);
    let with = &rewriting.calculations;
    let mended = audit::rescue(recalculator, with, topics, chain, mend, loss).await?;
    Ok(Some(mended))
}

/// Mends one range; one that this program cannot calculate is as one whose events are gone.
async fn tried(
    rewriting: &Rewriting,
    last: &mut Option<Opened>,
    mend: &Mend,
) -> anyhow::Result<Mended> {
    let declared = &mend.declaration;
    let before = last.take();
    let evaluator = match rewriting.calculations.evaluator(declared) {
        Ok(evaluator) => evaluator,
        Err(why) => {
            let why = format!("it is of {declared}, which this program cannot calculate: {why}");
            return Ok(match mend.source {
                Source::Kafka => Mended::Gone(why),
                Source::Attic | Source::StoredInputs | Source::Events => Mended::Left(why),
            });
        }
    };
    let is_open = |(source, open): &Opened| {
        let ours = &open.chain.identity().declaration;
        open.chain.partition() == mend.partition && *ours == *declared && *source == mend.source
    };
    let open = match before.filter(is_open) {
        Some(open) => open,
        None => {
            let events = match mend.source {
                Source::Attic | Source::StoredInputs => Events::NotAtAll,
                Source::Events | Source::Kafka => Events::Perhaps,
            };
            let open = rewriting.open(mend.partition, evaluator, events).await?;
            (mend.source, open)
        }
    };
    let (_, open) = last.insert(open);
    let (chain, recalculator) = (&mut open.chain, &open.recalculator);
    Ok(audit::mend(recalculator, &rewriting.calculations, chain, mend).await?)
}

/// Makes again what Kafka has of a range that was given up by a command that stopped right after; `None` when nothing is to be
/// done.
pub(super) async fn finish(
    rewriting: &Rewriting,
    partition: Partition,
    gap: &Gap,
) -> anyhow::Result<Option<Mended>> {
    let chain = rewriting
        .chain(partition, rewriting.given.declaration())
        .await?;
    let Some(mend) = audit::unfinished_loss(&chain, gap).await? else {
        return Ok(None);
    };
    let Ok(evaluator) = rewriting.calculations.evaluator(&mend.declaration) else {
        return Ok(None);
    };
    let mut open = match rewriting.open(partition, evaluator, Events::Perhaps).await {
        Err(error) if losses::is_of_no_topic(&error) => return Ok(None),
        open => open?,
    };
    let (connection, calculations) = (&rewriting.connection, &rewriting.calculations);
    let (recalculator, chain) = (&open.recalculator, &mut open.chain);
    Ok(audit::keep_rest(recalculator, calculations, connection, chain, (&mend, gap)).await?)
}
