//! `snapback run`

use std::time::Duration;

use clap::Args;
use tokio::sync::oneshot;

use super::{
    Exit,
    args::{CalculationArgs, Common, EventsArgs, KafkaArgs, PipelineArgs, StoreArgs},
    interrupt::{self, Begun, Signals},
    out,
    program::Program,
    session::{Session, runtime},
};
use crate::{
    config::{Flags, Output, RunConfig, key},
    model::Partition,
    processor::{self, Board, Instance, ProcessView, Stop, Summary, start_task},
    status,
    store::Store,
};

const EXAMPLES: &str = "\
Ctrl-C or SIGTERM finishes the transaction, takes a snapshot, verifies it and ends with 0;
a second one aborts.

Examples:
  snapback run                                   all defaults: localhost:9092, ./snapshots
  snapback run --brokers kafka:9092 --store s3://bucket/prefix --s3-endpoint http://minio:9000
  snapback run --exit-at-end                     process what is there, then end: batch use
  snapback run --fields 'price DECIMAL(10,2) NOT NULL, note VARCHAR' --calculation 'round(price * 1.19, 2)'
  snapback run --delivery at-least-once          for brokers without transactions
  snapback run --status 0.0.0.0:9464             the status page and metrics also for other hosts
  snapback run --accept-loss 3:1000-1200         record what Kafka no longer has as lost, once";

/// Process events: calculate, publish, take snapshots; after a crash, recover
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArgs {
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    calculation: CalculationArgs,
    #[command(flatten)]
    processor: ProcessorArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

impl RunArgs {
    pub(super) fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        self.kafka.collect(&mut flags);
        self.events.collect(&mut flags);
        self.pipeline.collect(&mut flags);
        self.store.collect(&mut flags);
        self.calculation.collect(&mut flags);
        self.processor.collect(&mut flags);
        flags
    }
}

/// How often a shutdown is looked at, and how long it may take beyond its time-out.
const WATCH: Duration = Duration::from_millis(200);
const GRACE: Duration = Duration::from_secs(10);

/// Runs the processor until the end of its input or of its time.
pub(super) fn execute(args: &RunArgs, program: &Program) -> anyhow::Result<Exit> {
    let runtime = runtime()?;
    let signals = Signals::listen(&runtime)?;
    let session = Session::begin(&args.common, args.flags())?.of(program);
    let config = RunConfig::new(&session.layers)?;
    let instance = match &config.instance {
        Some(name) => Instance::named(name),
        None => Instance::claim(
            &std::env::temp_dir(),
            &gethostname::gethostname().to_string_lossy(),
            // Without the brokers: a cluster has many addresses. Pipelines of the same names on several clusters share slots.
            &format!("{} {}", config.pipeline.group, config.pipeline.events),
        )?,
    };
    let stop = Stop::default();
    let board = Board::new(&config, instance.name(), stop.clone());
    let seen = board.clone();
    let begun = move || begun(&seen.look());
    signals.ask_to(&runtime, stop.clone(), begun);
    log_what_runs(&config, &board);
    let (_served, shutdown) = oneshot::channel::<()>();
    let opened = runtime.block_on(async {
        tokio::select! {
            opened = open(&config, &board, shutdown) => Some(opened),
            () = interrupt::requested(&stop) => None,
        }
    });
    let Some(opened) = opened else {
        // A folder or a server may not have answered yet, and is not waited for.
        runtime.shutdown_background();
        return Ok(Exit::Interrupted);
    };
    let store = opened?;
    end_in_time(stop.clone(), config.shutdown_timeout);
    let runs = stop.clone();
    let summary = processor::run(config, instance, store, runtime.handle(), runs, board);
    // Questions to a broker that is away may still be under way; nobody waits for their answers any more.
    runtime.shutdown_background();
    let summary = match summary {
        // Whatever it met on the way, it was told to end at once.
        Err(error) if stop.is_abort() => {
            tracing::warn!("{error}");
            return Ok(Exit::Interrupted);
        }
        summary => summary?,
    };
    let text = render(&summary, session.output.output);
    let exit = match stop.is_abort() {
        true => Exit::Interrupted,
        false => verdict(&summary),
    };
    out::end_with(exit, &text)
}

/// How far the workers have come.
fn begun(view: &ProcessView) -> Begun {
    if view.workers.iter().any(Option::is_some) {
        Begun::Work
    } else if view.ticks.iter().any(Option::is_some) {
        Begun::Joining
    } else {
        Begun::Nothing
    }
}

/// One line: what runs on what.
fn log_what_runs(config: &RunConfig, board: &Board) {
    let about = board.look().about;
    let workers = match config.workers {
        1 => "one worker".to_owned(),
        several => format!("{several} workers"),
    };
    let carried = match config.calculation.carry {
        carry if carry.any() => format!(" (--carry {carry})"),
        _ => String::new(),
    };
    tracing::info!(
        "{} {} as {}: {} on {} ({}) to {}{carried} and {}, group {}, {}, {workers}, {} of memory; Kafka at {}, store {}",
        config.invocation.program(),
        about.version,
        about.instance,
        about.summary(),
        about.events,
        about.fields,
        about.results,
        about.rejects,
        about.group,
        config.delivery,
        bytesize::ByteSize(about.memory),
        about.brokers,
        about.store,
    );
}

/// Serves the status, until `shutdown`, and opens the store.
async fn open(
    config: &RunConfig,
    board: &Board,
    shutdown: oneshot::Receiver<()>,
) -> anyhow::Result<Store> {
    if let Some(listener) = status::listen(&config.status).await? {
        // Until the run ends, whichever way.
        let ended = async { _ = shutdown.await };
        let serving = status::run(listener, board.clone(), ended);
        start_task(&tokio::runtime::Handle::current(), serving, |message| {
            tracing::error!("a defect of this program: what serves the status panicked: {message}");
        });
    }
    Ok(processor::open_store(config, board).await?)
}

/// Ends the process at once when it has not ended by itself some time after the shutdown should have been over.
fn end_in_time(stop: Stop, shutdown_timeout: Duration) {
    std::thread::spawn(move || {
        while !stop.is_requested() || !stop.remaining(shutdown_timeout).is_zero() {
            std::thread::sleep(WATCH);
        }
        std::thread::sleep(GRACE);
        tracing::error!(
            "the shutdown did not end in time; ending at once. Nothing is lost: what is not committed is processed again, and what is committed but not stored is replayed, by the next start"
        );
        std::process::exit(Exit::Unreachable as i32);
    });
}

fn verdict(summary: &Summary) -> Exit {
    if !summary.unsaved.is_empty() {
        tracing::error!(
            "the shutdown time-out was over before partitions {} were stored; nothing is lost: the next start replays them from Kafka",
            list(&summary.unsaved)
        );
        return Exit::Unreachable;
    }
    for finding in &summary.findings {
        tracing::error!("{finding}");
    }
    if summary.findings.is_empty() {
        Exit::Done
    } else {
        Exit::Findings
    }
}

fn render(summary: &Summary, output: Output) -> String {
    if let Some(line) = &summary.reject_line {
        tracing::warn!("{line}");
    }
    if summary.unverified > 0 {
        tracing::warn!(
            "{} segments could not be read back within the shutdown time-out; `snapback verify` checks them",
            summary.unverified
        );
    }
    match output {
        Output::Json => serde_json::json!({
            "results": summary.results,
            "rejects": summary.rejects.total(),
            "filtered": summary.filtered,
            "replayed": summary.replayed,
            "recalculated": summary.recalculated,
            "mended": summary.mended,
            "snapshots": summary.snapshots,
            "verified_segments": summary.verified,
            "findings": summary.findings.len(),
        })
        .to_string(),
        Output::Table => format!(
            "published {} results and {} rejects{}, replayed {}{}{}, stored {} snapshots, verified {} segments: {}",
            summary.results,
            summary.rejects.total(),
            match summary.filtered {
                0 => String::new(),
                count => format!(", filtered {count} events"),
            },
            summary.replayed,
            match summary.recalculated {
                0 => String::new(),
                count => format!(", recalculated {count}"),
            },
            match summary.mended {
                0 => String::new(),
                count => format!(", mended {count} ranges"),
            },
            summary.snapshots,
            summary.verified,
            match summary.findings.len() {
                0 => "all is well".to_owned(),
                count => format!("{count} findings"),
            }
        ),
    }
}

fn list(partitions: &[Partition]) -> String {
    let names: Vec<String> = partitions.iter().map(Partition::to_string).collect();
    names.join(", ")
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Processor")]
pub(super) struct ProcessorArgs {
    /// exactly-once, or at-least-once [default: exactly-once]
    #[arg(long, value_name = "MODE", value_parser = ["exactly-once", "at-least-once"], hide_possible_values = true)]
    delivery: Option<String>,
    /// How long results wait for their commit [default: 100ms]
    #[arg(long, value_name = "DURATION")]
    commit_interval: Option<String>,
    /// How long outcomes wait for their snapshot [default: 30s]
    #[arg(long, value_name = "DURATION")]
    snapshot_interval: Option<String>,
    /// Memory of the process, Kafka's queues included [default: 256MiB]
    #[arg(long, value_name = "BYTES")]
    memory: Option<String>,
    /// Bytes a second that background work on stored history may read and write [default: 32MiB]
    #[arg(long, value_name = "BYTES")]
    background_rate: Option<String>,
    /// Worker threads, each a member of the group [default: 1]
    #[arg(long, value_name = "COUNT")]
    workers: Option<String>,
    /// Name of this process in the group; must survive a restart [default: the host's name and a free slot]
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Where a topic begins of which nothing is stored or committed: earliest, latest, or a UTC time [default: earliest]
    #[arg(long, value_name = "WHERE")]
    start: Option<String>,
    /// End when everything is committed and stored that the topic holds at start
    #[arg(long)]
    exit_at_end: bool,
    /// Begin a new pipeline although nearly all events of a sample would be rejects
    #[arg(long)]
    allow_rejects: bool,
    /// Address of the status page, /metrics and /healthz, or off [default: 127.0.0.1:9464]
    #[arg(long, value_name = "HOST:PORT")]
    status: Option<String>,
    /// Time for the last snapshot and its verification when asked to stop [default: 25s]
    #[arg(long, value_name = "DURATION")]
    shutdown_timeout: Option<String>,
    /// Make missing output topics: true or false [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = ["true", "false"], hide_possible_values = true)]
    create_topics: Option<String>,
    /// Stored history of another calculation: keep it, or recalculate it and publish what changes [default: keep]
    #[arg(long, value_name = "WHAT", value_parser = ["keep", "recalculate"], hide_possible_values = true)]
    on_new_calculation: Option<String>,
    /// Verify stored history all the time; what is wrong: repair it, or only report it; or off [default: repair]
    #[arg(long, value_name = "WHAT", value_parser = ["repair", "report", "off"], hide_possible_values = true)]
    scrub: Option<String>,
    /// From one verification of a stored segment to the next [default: 1h]
    #[arg(long, value_name = "DURATION")]
    scrub_interval: Option<String>,
    /// Percent of one core that the scrub takes [default: 1]
    #[arg(long, value_name = "PERCENT")]
    scrub_percent: Option<String>,
    /// How long old manifests stay, and files that none lists: at least 6h [default: 24h]
    #[arg(long, value_name = "DURATION")]
    keep: Option<String>,
    /// Record this range of a partition as lost; exactly as a refusal printed it; repeatable
    #[arg(long, value_name = "P:START-END")]
    accept_loss: Vec<String>,
    /// Where store and group disagree, as a refusal explained: frontier or committed
    #[arg(long, value_name = "SIDE", value_parser = ["frontier", "committed"], hide_possible_values = true)]
    resume_from: Option<String>,
}

impl ProcessorArgs {
    pub(super) fn collect(&self, flags: &mut Flags) {
        flags.add(key::DELIVERY, self.delivery.as_deref());
        flags.add(key::COMMIT_INTERVAL, self.commit_interval.as_deref());
        flags.add(key::KEEP, self.keep.as_deref());
        flags.add(key::SNAPSHOT_INTERVAL, self.snapshot_interval.as_deref());
        flags.add(key::MEMORY, self.memory.as_deref());
        flags.add(key::BACKGROUND_RATE, self.background_rate.as_deref());
        flags.add(key::WORKERS, self.workers.as_deref());
        flags.add(key::INSTANCE, self.instance.as_deref());
        flags.add(key::START, self.start.as_deref());
        flags.switch(key::EXIT_AT_END, self.exit_at_end);
        flags.switch(key::ALLOW_REJECTS, self.allow_rejects);
        flags.add(key::STATUS, self.status.as_deref());
        flags.add(key::SHUTDOWN_TIMEOUT, self.shutdown_timeout.as_deref());
        flags.add(key::CREATE_TOPICS, self.create_topics.as_deref());
        flags.add(key::ON_NEW_CALCULATION, self.on_new_calculation.as_deref());
        flags.add(key::SCRUB, self.scrub.as_deref());
        flags.add(key::SCRUB_INTERVAL, self.scrub_interval.as_deref());
        flags.add(key::SCRUB_PERCENT, self.scrub_percent.as_deref());
        for loss in &self.accept_loss {
            flags.add(key::ACCEPT_LOSS, Some(loss));
        }
        flags.add(key::RESUME_FROM, self.resume_from.as_deref());
    }
}
