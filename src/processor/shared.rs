//! What all workers of a process share: settings, connections, the pipeline's identity, limits and targets.

mod rejects;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Instance, ProcessorError, Stop, WorkerError,
    carried_times::CarriedTimes,
    connect::{connect, output},
    holds::Holds,
    limits,
    mixed_types::ColumnCheck,
    namesake,
    new_pipeline::NewPipeline,
    rights::Rights,
    rules,
    seats::Seats,
    store_side::{BackgroundSettings, StoreSide},
    targets::Targets,
    watch::{Board, Progress},
};
use crate::{
    audit::Recalculator,
    calculation::Calculations,
    config::{Delivery, RunConfig},
    format::{Layout, Pipeline},
    history::Clock,
    kafka::{Admin, KafkaError, Member, Publisher, PublisherConfig, SourceConfig, Watermarks},
    model::Partition,
    recovery::{Committed, Gatherer, Limits},
    store::Store,
};

/// How long `init_transactions` may take: a predecessor's open transaction is ended in it.
pub const INIT: Duration = Duration::from_secs(60);

/// See the module.
pub struct Shared {
    pub settings: RunConfig,
    pub instance: Instance,
    pub store: Store,
    pub gatherer: Gatherer,
    pub runtime: tokio::runtime::Handle,
    pub stop: Stop,
    pub progress: Progress,
    /// What others may see.
    pub board: Board,
    /// One keeper at a time for each partition.
    pub seats: Seats,
    /// What keepers share.
    pub store_side: Arc<StoreSide>,
    /// Those that stored outcomes are verified with.
    pub calculations: Calculations,
    /// Partitions of the events topic at start.
    pub partitions: u32,
    results_partitions: u32,
    rejects_partitions: u32,
    admin: Arc<Admin>,
    rejects_need_keys: AtomicBool,
    /// The times of events that the results topic takes.
    pub carried_times: CarriedTimes,
    /// Workers that are to leave the group and join it again.
    join_anew: Vec<AtomicBool>,
    /// With `--exit-at-end`: what is to be reached.
    pub targets: Targets,
    /// Whether a right that is missing is waited for.
    pub rights: Rights,
    /// Held partitions of which the log was not told yet.
    pub holds: Holds,
}

impl Shared {
    /// Connects, checks the topics (missing output topics are made), and learns who this pipeline is.
    /// `recalculator` makes what brings stored history under the running calculation of the settings and the largest
    /// result that its topic takes.
    pub fn prepare(
        recalculator: impl FnOnce(&RunConfig, u64) -> Result<Recalculator, WorkerError>,
        settings: RunConfig,
        instance: Instance,
        store: Store,
        runtime: tokio::runtime::Handle,
        stop: Stop,
        board: Board,
    ) -> Result<Shared, ProcessorError> {
        let evaluator = settings.calculation.evaluator()?;
        let layout = Layout::new(&settings.pipeline.events)?;
        let admin = Arc::new(connect(&settings, &board)?);
        let instance = namesake::avoid(&admin, &settings, instance, &board, &stop)?;
        let events = admin.topic(&settings.pipeline.events)?.ok_or_else(|| {
            ProcessorError::NoEventsTopic {
                topic: settings.pipeline.events.clone(),
                brokers: settings.connection.brokers().to_owned(),
            }
        })?;
        let new = NewPipeline {
            settings: &settings,
            store: &store,
            layout: &layout,
            admin: &admin,
            partitions: events.partitions,
        };
        new.check_declaration(&evaluator, &runtime)?;
        let columns = ColumnCheck {
            store: store.clone(),
            layout: layout.clone(),
            ours: evaluator.declaration(),
        };
        columns.at_start(&settings, &board, &runtime)?;
        let results = output(
            &admin,
            &settings,
            &settings.pipeline.results,
            events.partitions,
        )?;
        let rejects = output(
            &admin,
            &settings,
            &settings.pipeline.rejects,
            events.partitions,
        )?;
        let limits = limits::ask(
            &admin,
            &settings.pipeline.results,
            &settings.pipeline.rejects,
        );
        let identity = Pipeline {
            cluster_id: admin.cluster_id(),
            group: settings.pipeline.group.clone(),
            events_topic: settings.pipeline.events.clone(),
            events_topic_id: events.id,
            events_partitions: Some(events.partitions),
            results_topic: settings.pipeline.results.clone(),
            results_partitions: results.partitions,
        };
        let targets = match settings.exit_at_end {
            true => Targets::of(&admin, &settings.pipeline.events, events.partitions)?,
            false => Targets::default(),
        };
        let gatherer = Gatherer {
            store: store.clone(),
            layout,
            admin: Arc::clone(&admin),
            identity: identity.clone(),
            calculation: evaluator.declaration(),
            carry_choices: evaluator.carry_choices().clone(),
            start: settings.policy.start,
            writer: format!("{} {}", settings.invocation.program(), instance.name()),
            clock: Clock::system(),
        };
        let carry = settings.calculation.carry;
        let results_settings = rules::say(&admin, &settings.pipeline, carry);
        let rejects_topic = &settings.pipeline.rejects;
        let need_keys = rules::rejects_need_keys(&admin, rejects_topic, false);
        Ok(Shared {
            rejects_need_keys: AtomicBool::new(need_keys),
            carried_times: CarriedTimes::of(
                &settings.pipeline.results,
                results_settings.as_ref(),
                carry.timestamp(),
            ),
            store_side: Arc::new(StoreSide::new(
                settings.snapshot_interval,
                runtime.clone(),
                stop.clone(),
                board.clone(),
                BackgroundSettings::of(&settings, recalculator(&settings, limits.results)?)?,
                limits,
            )),
            seats: Seats::default(),
            progress: Progress::new(settings.workers),
            board,
            join_anew: (0..settings.workers)
                .map(|_| AtomicBool::new(false))
                .collect(),
            instance,
            store,
            gatherer,
            runtime,
            stop,
            calculations: settings.calculation.known()?,
            partitions: events.partitions,
            results_partitions: results.partitions,
            rejects_partitions: rejects.partitions,
            admin,
            targets,
            rights: Rights::new(settings.exit_at_end),
            holds: Holds::default(),
            settings,
        })
    }

    /// The results partition of an events partition; a result follows from its source alone.
    pub fn results_partition(&self, partition: Partition) -> i32 {
        modulo(partition, self.results_partitions)
    }

    /// The dead-letter partition of an events partition.
    pub fn rejects_partition(&self, partition: Partition) -> i32 {
        modulo(partition, self.rejects_partitions)
    }

    /// Whether the group has committed every target.
    pub fn group_reached_targets(&self) -> Result<bool, KafkaError> {
        let committed = self.committed(&self.targets.partitions())?;
        Ok(self.targets.are_reached(&committed))
    }

    /// Where a partition of the events topic begins and ends.
    pub fn watermarks(&self, partition: Partition) -> Result<Watermarks, KafkaError> {
        self.admin
            .watermarks(&self.settings.pipeline.events, partition)
    }

    /// What the group has committed for `partitions`, once no transaction is open on them.
    pub fn committed(
        &self,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, Committed>, KafkaError> {
        let pipeline = &self.settings.pipeline;
        let committed = self
            .admin
            .committed(&pipeline.group, &pipeline.events, partitions)?;
        Ok(committed
            .into_iter()
            .filter_map(|(partition, committed)| Some((partition, committed?.into())))
            .collect())
    }

    /// Lets the connection that will ask for committed offsets find the group's coordinator while the group is joined. Only
    /// a head start: whatever goes wrong is seen when the offsets are asked for.
    pub fn find_coordinator(&self) {
        let admin = Arc::clone(&self.admin);
        let pipeline = &self.settings.pipeline;
        let (group, events) = (pipeline.group.clone(), pipeline.events.clone());
        self.runtime.spawn_blocking(move || {
            if let Err(error) = admin.committed(&group, &events, &[Partition(0)]) {
                tracing::debug!("a first look at the committed offsets failed: {error}");
            }
        });
    }

    /// What the output topics take.
    pub fn limits(&self) -> Limits {
        self.store_side.limits()
    }

    /// Whether the dead-letter topic takes nothing without a key.
    pub fn rejects_need_keys(&self) -> bool {
        self.rejects_need_keys.load(Ordering::Relaxed)
    }

    /// The settings of a topic that decide what it takes, for people.
    pub fn rules(&self, topic: &str) -> String {
        rules::rules(&self.admin, topic)
    }

    /// Asks again what the output topics take, because a broker has refused something.
    pub fn refresh_rules(&self) {
        let rejects = &self.settings.pipeline.rejects;
        let need_keys = rules::rejects_need_keys(&self.admin, rejects, self.rejects_need_keys());
        self.rejects_need_keys.store(need_keys, Ordering::Relaxed);
        self.carried_times.refresh(&self.admin);
        let pipeline = &self.settings.pipeline;
        let limits = limits::ask(&self.admin, &pipeline.results, &pipeline.rejects);
        let before = self.store_side.set_limits(limits);
        if before != limits {
            tracing::warn!(
                "the output topics take other messages now: {limits:?}, before {before:?}"
            );
        }
    }

    /// A producer that is ready to publish; it has ended what a predecessor of the same name left open.
    pub fn new_publisher(
        &self,
        name: &str,
        queue: u64,
        timeout: Duration,
    ) -> Result<Publisher, WorkerError> {
        let connection = &self.settings.connection;
        let limits = self.limits();
        let config = PublisherConfig {
            queue_bytes: queue,
            largest_message: limits.results.max(limits.rejects),
            largest_batch: limits.results.min(limits.rejects),
        };
        let since = Instant::now();
        let publisher = match self.settings.delivery {
            Delivery::ExactlyOnce => {
                let mut publisher = Publisher::transactional(connection, name, &config)?;
                publisher.init(timeout)?;
                publisher
            }
            Delivery::AtLeastOnce => Publisher::idempotent(connection, &config)?,
        };
        tracing::debug!("producer {name} ready after {:?}", since.elapsed());
        Ok(publisher)
    }

    /// How a worker of that name joins the group.
    pub fn source_config(&self, name: &str, queue: u64) -> SourceConfig {
        let pipeline = &self.settings.pipeline;
        SourceConfig {
            instance_id: Some(name.to_owned()),
            ..SourceConfig::new(&pipeline.group, &pipeline.events, self.partitions, queue)
        }
    }

    /// After how long without a heartbeat the group gives a member up.
    pub fn session_timeout(&self) -> Duration {
        let connection = &self.settings.connection;
        self.source_config("", 0).session_timeout(connection)
    }

    /// How long a transaction of ours may be open.
    pub fn transaction_timeout(&self) -> Duration {
        let own = self
            .settings
            .connection
            .milliseconds("transaction.timeout.ms");
        own.unwrap_or(PublisherConfig::TRANSACTION_TIMEOUT)
    }

    /// `group.instance.id` and `transactional.id` of a worker.
    pub fn worker_name(&self, worker: usize) -> String {
        let pipeline = &self.settings.pipeline;
        self.instance
            .worker_name(&pipeline.group, &pipeline.events, worker)
    }

    /// Keeps the id that the group gave to the member `name`: the next process of this name knows it by that.
    pub fn keep_member_id(&self, name: &str, id: &str) {
        if let Err(error) = self.instance.keep_id(name, id) {
            tracing::debug!("the id of the member {name} cannot be kept in the lock file: {error}");
        }
    }

    /// How the names of all workers of this pipeline begin, whichever process they are of.
    pub fn names_begin(&self) -> String {
        let pipeline = &self.settings.pipeline;
        format!("{}.{}.", pipeline.group, pipeline.events)
    }

    /// Who of the group has which partitions; `None` while it divides them.
    pub fn members(&self) -> Result<Option<Vec<Member>>, KafkaError> {
        let pipeline = &self.settings.pipeline;
        self.admin.members(&pipeline.group, &pipeline.events)
    }

    /// What keeps the cluster from coordinating groups, and with `transactions` also these.
    pub fn coordinators_missing(&self, transactions: bool) -> Result<Option<String>, KafkaError> {
        self.admin.coordinators_missing(transactions)
    }

    /// Whether the group has a member with a worker's name.
    pub fn has_member(&self, name: &str) -> Result<bool, KafkaError> {
        let member = self.admin.member(&self.settings.pipeline.group, name)?;
        Ok(member.is_some())
    }

    /// Has a worker leave the group and join it again.
    pub fn join_anew(&self, worker: usize) {
        self.join_anew[worker].store(true, Ordering::Relaxed);
    }

    /// Whether a worker is to leave the group and join it again; once.
    pub fn is_to_join_anew(&self, worker: usize) -> bool {
        self.join_anew[worker].swap(false, Ordering::Relaxed)
    }

    /// Who writes, for commits and manifests.
    pub fn writer(&self, worker: usize) -> String {
        format!(
            "snapback {} {}/{worker}",
            env!("CARGO_PKG_VERSION"),
            self.instance.name()
        )
    }

    /// What is left for the shutdown.
    pub fn shutdown_left(&self) -> Duration {
        self.stop.remaining(self.settings.shutdown_timeout)
    }
}

fn modulo(partition: Partition, count: u32) -> i32 {
    partition.0.rem_euclid(count.max(1).cast_signed())
}
