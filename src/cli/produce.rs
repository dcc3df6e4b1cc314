//! `snapback produce`

use std::{
    fmt::Write,
    io::{self, IsTerminal as _},
    ops::ControlFlow,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::{
    HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};

use super::{
    Exit,
    args::{Common, EventsArgs, KafkaArgs},
    out, rate,
    session::Session,
};
use crate::{
    config::{self, Flags, Output},
    kafka::{Publisher, PublisherConfig},
    load::{Events, Lines, Loaded, Loader, Malformed, Numbers, USUAL, ensure_topic},
    telemetry,
};

const EXAMPLES: &str = "\
Without a key, round robin over the partitions. All events are acknowledged by all in-sync replicas when it ends.

Examples:
  snapback produce --count 1000000               random numbers: {\"number\": 7}
  snapback produce --count 1000 --malformed 0.01 --seed 7 --largest 1000
  snapback produce --file events.jsonl           one event a line, byte for byte
  seq 1 10 | sed 's/.*/{\"number\":&}/' | snapback produce --file -";

/// Load events into a topic: random numbers, or the lines of a file
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ProduceArgs {
    /// How many random events
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1000,
        conflicts_with = "file"
    )]
    count: u64,
    /// Where the random numbers start; the same seed gives the same events
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1,
        conflicts_with = "file"
    )]
    seed: u64,
    /// The largest random number; as many are below zero. From 9223372036854775807 on: any number of 64 bits, whose squares
    /// are too large for the sums of most engines
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = USUAL,
        conflicts_with = "file"
    )]
    largest: u64,
    /// Which share of the random events is malformed, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, conflicts_with = "file")]
    malformed: f64,
    /// A file with one event a line; - is stdin
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Partitions of the topic, if it has to be created
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    partitions: u32,
    /// At most so many events a second [default: as fast as possible]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    common: Common,
}

impl ProduceArgs {
    fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        self.kafka.collect(&mut flags);
        self.events.collect(&mut flags);
        flags
    }

    fn source(&self) -> anyhow::Result<Box<dyn Events>> {
        let Some(path) = &self.file else {
            return Ok(Box::new(
                Numbers::new(self.count, self.malformed, self.seed).within(self.largest),
            ));
        };
        if path.as_os_str() == "-" {
            return Ok(Box::new(Lines::new("standard input", io::stdin())));
        }
        Ok(Box::new(Lines::open(path)?))
    }
}

/// A number from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let share = text
        .parse::<f64>()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "it is a number from 0 to 1".to_owned())
}

/// How long a question to the broker may take.
const ASK: Duration = Duration::from_secs(30);
/// What waits to be sent, in bytes.
const QUEUE: u64 = 256 << 20;

/// Ctrl-C ends the process at once: what was acknowledged stays, and nothing else is owed to anybody.
pub(super) fn execute(args: &ProduceArgs) -> anyhow::Result<Exit> {
    let session = Session::begin(&args.common, args.flags())?;
    let connection = config::connection(&session.layers)?;
    let topic = config::events(&session.layers)?;
    let mut source = args.source()?;
    let (partitions, created) = ensure_topic(&connection, &topic, args.partitions, ASK)?;
    if created {
        telemetry::say(&format!(
            "created the topic {topic} with {partitions} partitions"
        ));
    }
    let publisher = Publisher::idempotent(&connection, &PublisherConfig::with_queue(QUEUE))?;

    let since = Instant::now();
    let bar = bar(args.file.is_none().then_some(args.count));
    let mut loader = Loader::new(publisher, &topic, partitions);
    let loaded = loader
        .load(source.as_mut(), args.rate, |sent| {
            bar.set_position(sent.events);
            ControlFlow::Continue(())
        })
        .and_then(|()| loader.finish());
    bar.finish_and_clear();
    let done = Done {
        topic,
        partitions,
        loaded: loaded?,
        took: since.elapsed(),
    };
    let text = match session.output.output {
        Output::Json => done.json().to_string(),
        Output::Table => done.text(),
    };
    out::end_with(Exit::Done, &text)
}

fn bar(count: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(count, ProgressDrawTarget::hidden());
    }
    let (bar, template) = match count {
        Some(count) => (
            ProgressBar::new(count),
            "{bar:40} {human_pos} of {human_len} events, {rate}, {eta} to go",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {human_pos} events, {rate}",
        ),
    };
    #[expect(clippy::expect_used, reason = "both templates are constants")]
    let style = ProgressStyle::with_template(template)
        .expect("the template is valid")
        .with_key("rate", |state: &ProgressState, into: &mut dyn Write| {
            // A terminal that cannot be written to has nobody to tell it to.
            let _ = into.write_str(&rate::shown(state.per_sec()));
        });
    bar.with_style(style.progress_chars("━╸ "))
}

struct Done {
    topic: String,
    partitions: u32,
    loaded: Loaded,
    took: Duration,
}

impl Done {
    fn rate(&self) -> u64 {
        (self.loaded.events as f64 / self.took.as_secs_f64().max(0.001)) as u64
    }

    fn text(&self) -> String {
        let Loaded {
            events,
            bytes,
            malformed,
        } = self.loaded;
        let mut text = format!(
            "produced {} events ({}) to topic {}, {} partitions, in {:.2} s: {}",
            HumanCount(events),
            HumanBytes(bytes),
            self.topic,
            self.partitions,
            self.took.as_secs_f64(),
            rate::shown(self.rate() as f64),
        );
        if malformed > 0 {
            let ways = malformed.min(Malformed::ALL.len() as u64);
            text.push_str(&format!(
                "; {} of them malformed, in {ways} ways",
                HumanCount(malformed)
            ));
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "topic": self.topic,
            "partitions": self.partitions,
            "events": self.loaded.events,
            "bytes": self.loaded.bytes,
            "malformed": self.loaded.malformed,
            "seconds": self.took.as_secs_f64(),
            "events_per_second": self.rate(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_was_produced_where_and_how_fast() {
        let mut done = Done {
            topic: "events".to_owned(),
            partitions: 8,
            loaded: Loaded {
                events: 1_000_000,
                bytes: 18_000_000,
                malformed: 1_000,
            },
            took: Duration::from_millis(500),
        };
        assert_eq!(
            done.text(),
            "produced 1,000,000 events (17.17 MiB) to topic events, 8 partitions, in 0.50 s: 2.0M/s; 1,000 of them malformed, in 15 ways"
        );
        done.loaded.malformed = 0;
        assert!(done.text().ends_with("2.0M/s"));
        assert_eq!(done.json()["events_per_second"], 2_000_000);
    }

    #[test]
    fn a_share_is_between_none_and_all() {
        assert_eq!(share("0.001"), Ok(0.001));
        for text in ["1.1", "-0.1", "NaN", "x"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
