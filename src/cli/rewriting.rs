//! What commands share that rewrite stored history: the chain of a partition, and what calculates its ranges anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;

use super::{
    Exit,
    args::{CalculationArgs, Common, EventsArgs, KafkaArgs, StoreArgs},
    out,
    session::Session,
};
use crate::{
    audit::{self, Recalculator, ResultsTopic},
    calculation::{Calculations, Declaration, Evaluator},
    config::{self, Flags},
    format::{Identity, Layout},
    history::{Chain, Clock},
    kafka::{Admin, Connection},
    model::Partition,
    processor,
    query::{self, QueryError, TopicError},
    store::{Store, Throttle},
};

/// How long a metadata question to the broker may take.
const ASK: Duration = Duration::from_secs(30);
/// How long Kafka may say nothing while a range is read.
const PATIENCE: Duration = Duration::from_secs(30);

/// What every such command is told.
#[derive(Debug, Args)]
pub(super) struct RewritingArgs {
    /// Only this partition; repeatable
    #[arg(long, value_name = "PARTITION", value_parser = clap::value_parser!(i32).range(0..))]
    pub(super) partition: Vec<i32>,
    /// Read and write at most so many bytes a second, and compute on at most half of a core: 16MiB
    #[arg(long, value_name = "BYTES", value_parser = rate)]
    max_rate: Option<NonZeroU64>,
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    calculation: CalculationArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

impl RewritingArgs {
    pub(super) fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        self.kafka.collect(&mut flags);
        self.events.collect(&mut flags);
        self.store.collect(&mut flags);
        self.calculation.collect(&mut flags);
        flags
    }

    /// How fast it may go.
    pub(super) fn throttle(&self) -> Throttle {
        self.max_rate.map_or_else(Throttle::unlimited, Throttle::of)
    }

    /// The partitions that were asked for; `None` for all.
    pub(super) fn partitions(&self) -> Option<BTreeSet<Partition>> {
        let some = self.partition.iter().copied().map(Partition);
        (!self.partition.is_empty()).then(|| some.collect())
    }
}

fn rate(text: &str) -> Result<NonZeroU64, String> {
    let bytes: bytesize::ByteSize = text.parse()?;
    NonZeroU64::new(bytes.0).ok_or_else(|| "nothing would ever be done".to_owned())
}

/// The partitions that were asked for, which must be among those that are `there`; all without such a wish.
pub(super) fn chosen(
    layout: &Layout,
    there: BTreeSet<Partition>,
    wanted: Option<BTreeSet<Partition>>,
) -> Result<BTreeSet<Partition>, QueryError> {
    let Some(wanted) = wanted else {
        return Ok(there);
    };
    if let Some(missing) = wanted.difference(&there).next() {
        return Err(QueryError::Topic(TopicError::NoSuchPartition {
            topic: layout.topic().to_owned(),
            partition: *missing,
            there: there.into_iter().collect(),
        }));
    }
    Ok(wanted)
}

/// A command that rewrites stored history, or shows what it would rewrite.
pub(super) struct Rewriting {
    pub store: Store,
    pub layout: Layout,
    /// Those that this program has.
    pub calculations: Calculations,
    /// The one that was given.
    pub given: Arc<Evaluator>,
    pub connection: Connection,
    /// How fast it may go.
    pub throttle: Throttle,
    /// The command, for what it writes.
    name: &'static str,
}

/// The partitions that a command is for.
pub(super) struct Chosen {
    /// Those that can be read.
    pub readable: BTreeSet<Partition>,
    /// Those that cannot, and why: nothing is done with them.
    pub closed: BTreeMap<Partition, String>,
}

/// So many partitions in a row may fail: then the others are not tried, since Kafka or the store is away.
const MOST_FAILURES: usize = 3;

/// What became of partitions that were done one after the other.
pub(super) struct Each<T> {
    /// Those that were done.
    pub done: Vec<T>,
    /// Those that were not, and why.
    pub stopped: BTreeMap<Partition, String>,
    /// How the command ends because of the first of them.
    pub failed: Option<Exit>,
}

/// Does each of the partitions: one that fails keeps no other.
pub(super) async fn each<T>(
    partitions: BTreeSet<Partition>,
    mut work: impl AsyncFnMut(Partition) -> anyhow::Result<T>,
) -> Each<T> {
    let mut each = Each {
        done: Vec::new(),
        stopped: BTreeMap::new(),
        failed: None,
    };
    let mut in_a_row = 0;
    for partition in partitions {
        if in_a_row == MOST_FAILURES {
            let why = format!("not tried, after {MOST_FAILURES} others in a row could not be done");
            each.stopped.insert(partition, why);
            continue;
        }
        match work(partition).await {
            Ok(done) => {
                each.done.push(done);
                in_a_row = 0;
            }
            Err(error) => {
                tracing::error!("partition {partition}: {error:#}");
                each.failed.get_or_insert(Exit::of(&error));
                each.stopped.insert(partition, format!("{error:#}"));
                in_a_row += 1;
            }
        }
    }
    each
}

/// A line for each partition that was not done.
pub(super) fn stopped_lines(stopped: &BTreeMap<Partition, String>) -> String {
    let line = |(partition, why): (&Partition, &String)| {
        format!("partition {partition}: stopped: {}\n", out::shown(why))
    };
    stopped.iter().map(line).collect()
}

/// What a command could do nothing with: a line for each.
pub(super) fn closed_lines(closed: &BTreeMap<Partition, String>) -> String {
    let line = |(partition, why): (&Partition, &String)| {
        let why = out::shown(why);
        format!("partition {partition}: {why}; `snapback verify` says what to do\n")
    };
    closed.iter().map(line).collect()
}

/// A partition that is open for it.
pub(super) struct OpenPartition {
    pub chain: Chain,
    pub recalculator: Recalculator,
}

/// What a command may need Kafka's events for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Events {
    /// For nothing: what is stored suffices.
    NotAtAll,
    /// Where what is stored does not suffice, or everywhere.
    Perhaps,
}

impl Rewriting {
    pub fn new(
        session: &Session,
        (store, layout): (Store, Layout),
        name: &'static str,
    ) -> anyhow::Result<Rewriting> {
        let calculation = config::calculation(&session.layers)?;
        let given = calculation.evaluator()?;
        let given = Arc::new(given);
        Ok(Rewriting {
            calculations: Calculations::new(calculation.find).with(Arc::clone(&given)),
            given,
            connection: config::connection(&session.layers)?,
            store,
            layout,
            throttle: Throttle::unlimited(),
            name,
        })
    }

    /// The same, no faster than this.
    pub fn throttled(mut self, throttle: Throttle) -> Rewriting {
        self.throttle = throttle;
        self
    }

    /// The partitions that were asked for, which must be there; all without such a wish.
    pub async fn partitions(&self, wanted: Option<BTreeSet<Partition>>) -> anyhow::Result<Chosen> {
        let listing = query::list(&self.store, &self.layout).await?;
        let readable = listing.partitions.iter().map(|one| one.partition);
        let there = readable.chain(listing.unreadable.iter().copied()).collect();
        let mut readable = chosen(&self.layout, there, wanted)?;
        let mut closed = listing.why;
        closed.retain(|partition, _| readable.remove(partition));
        Ok(Chosen { readable, closed })
    }

    /// The chain of a partition.
    pub async fn chain(
        &self,
        partition: Partition,
        declaration: Declaration,
    ) -> anyhow::Result<Chain> {
        let identity = Identity {
            topic: self.layout.topic().to_owned(),
            partition,
            declaration,
            writer: format!("snapback {} {}", env!("CARGO_PKG_VERSION"), self.name),
        };
        Ok(Chain::load(self.store.clone(), identity, Clock::system()).await?)
    }

    /// A partition, to be rewritten under a calculation. Where events may be read, Kafka must be where the store came from.
    pub async fn open(
        &self,
        partition: Partition,
        evaluator: Arc<Evaluator>,
        events: Events,
    ) -> anyhow::Result<OpenPartition> {
        let chain = self.chain(partition, evaluator.declaration()).await?;
        let newest = chain.newest().context("the partition has no manifest")?;
        let pipeline = newest.pipeline.clone();
        let connection = self.connection.clone();
        let results = match events {
            Events::NotAtAll => processor::untold_results_topic(&pipeline.results_topic),
            // The client waits for its broker.
            Events::Perhaps => {
                let asking = move || -> anyhow::Result<ResultsTopic> {
                    let admin = Admin::connect(&connection, ASK)?;
                    audit::is_its_source(&pipeline, &admin)?;
                    Ok(processor::results_topic(&admin, &pipeline.results_topic)?)
                };
                tokio::task::spawn_blocking(asking).await??
            }
        };
        let recalculator = Recalculator {
            evaluator,
            results,
            events: (events == Events::Perhaps).then(|| self.connection.clone()),
            patience: PATIENCE,
            throttle: self.throttle.clone(),
        };
        Ok(OpenPartition {
            chain,
            recalculator,
        })
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    /// Which of ten partitions are done when those fail.
    fn done(failing: &[i32]) -> (Vec<i32>, Vec<i32>, Option<Exit>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let work = async |partition: Partition| match failing.contains(&partition.0) {
            true => bail!("away"),
            false => Ok(partition.0),
        };
        let ten = (0..10).map(Partition).collect();
        let each = runtime.unwrap().block_on(each(ten, work));
        let stopped = each.stopped.keys().map(|partition| partition.0);
        (each.done, stopped.collect(), each.failed)
    }

    #[test]
    fn a_partition_that_fails_keeps_no_other_unless_all_do() {
        let all: Vec<i32> = (0..10).collect();
        assert_eq!(done(&[]), (all.clone(), vec![], None));
        let failed = Some(Exit::Unreachable);
        let others = vec![0, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(done(&[1]), (others, vec![1], failed));
        assert_eq!(done(&[0, 2, 4, 6]).0, [1, 3, 5, 7, 8, 9]);
        assert_eq!(done(&[2, 3, 4]), (vec![0, 1], all[2..].to_vec(), failed));
    }
}
