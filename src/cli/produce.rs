//! `snapback produce`: load events into a topic.

use std::{
    fs::File,
    io::{self, IsTerminal as _},
    ops::ControlFlow,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Failure;
use crate::{
    demo::Interrupt,
    kafka::{Admin, Connection, KafkaError, Publisher, PublisherConfig},
    load::{Events, Lines, LoadError, Loaded, Loader, Malformed, Numbers},
};

/// Load events into a topic: a count of random numbers, or lines from a file or stdin
///
/// Random numbers are events like {"number": 7}. Each line of a file is one event, byte for byte, without a key. A topic that
/// does not exist is created. Everything is acknowledged by all in-sync replicas before the command ends.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  snapback produce --count 1000000                        a million random numbers into topic events
  snapback produce --count 10000 --malformed 0.01         one in a hundred malformed
  snapback produce --count 100000 --rate 5000             over 20 seconds
  snapback produce --lines events.jsonl                   each line is an event
  tail -f app.log | snapback produce --lines -            from standard input")]
pub struct ProduceArgs {
    /// The brokers
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9092", env = "SNAPBACK_BROKERS")]
    brokers: String,
    /// A property of the Kafka client, as in kcat; repeatable
    #[arg(short = 'X', value_name = "KEY=VALUE")]
    properties: Vec<String>,
    /// The topic
    #[arg(long, value_name = "TOPIC", default_value = "events", env = "SNAPBACK_EVENTS")]
    events: String,
    #[command(flatten)]
    what: What,
    /// The share of malformed events among the random numbers, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, conflicts_with = "lines")]
    malformed: f64,
    /// Where the random numbers start: the same seed gives the same events [default: random]
    #[arg(long, conflicts_with = "lines")]
    seed: Option<u64>,
    /// At most this many events a second
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Partitions of the topic, if it has to be created
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    partitions: u32,
}

#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
struct What {
    /// How many random numbers
    #[arg(long)]
    count: Option<u64>,
    /// A file whose lines are the events; - is standard input
    #[arg(long, value_name = "FILE")]
    lines: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

/// How long a question to the broker may take.
const ASK: Duration = Duration::from_secs(30);
/// The producer's queue.
const QUEUE: u64 = 256 << 20;

/// Runs `snapback produce`; returns the exit code.
///
/// # Errors
/// When events cannot be read or are not taken.
pub fn run(args: &ProduceArgs, interrupt: &Interrupt) -> Result<u8, Failure> {
    let properties = args.properties.iter().map(|property| Connection::parse_property(property));
    let connection = properties
        .collect::<Result<_, _>>()
        .and_then(|properties| Connection::new(&args.brokers, properties, "snapback"))
        .map_err(|error| Failure::new(2, error))?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let mut source = source(args, seed)?;
    let partitions = topic(&connection, args).map_err(|error| Failure::new(kafka_code(&error), error))?;
    let publisher = Publisher::idempotent(&connection, &PublisherConfig { queue_bytes: QUEUE });
    let publisher = publisher.map_err(|error| Failure::new(3, error))?;

    let since = Instant::now();
    let bar = bar(args.what.count);
    let mut loader = Loader::new(publisher, &args.events, partitions);
    let loaded = loader
        .load(source.as_mut(), args.rate, |sent| {
            bar.set_position(sent.events);
            if interrupt.is_raised() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .and_then(|()| loader.finish());
    bar.finish_and_clear();
    let loaded = loaded.map_err(|error| Failure::new(load_code(&error), error))?;
    let seed = args.what.count.map(|_| seed);
    println!("{}", summary(&loaded, &args.events, partitions, since.elapsed(), seed));
    Ok(if interrupt.is_raised() { 130 } else { 0 })
}

fn source(args: &ProduceArgs, seed: u64) -> Result<Box<dyn Events>, Failure> {
    let Some(path) = &args.what.lines else {
        let count = args.what.count.unwrap_or_default();
        return Ok(Box::new(Numbers::new(count, args.malformed, seed)));
    };
    if path.as_os_str() == "-" {
        return Ok(Box::new(Lines::new("standard input", io::stdin())));
    }
    let file = File::open(path).map_err(|error| {
        let error = anyhow::Error::new(error);
        Failure::new(2, error.context(format!("cannot open {}", path.display())))
    })?;
    Ok(Box::new(Lines::new(&path.display().to_string(), file)))
}

/// The topic's partitions; it is created when it is missing.
fn topic(connection: &Connection, args: &ProduceArgs) -> Result<u32, KafkaError> {
    let admin = Admin::connect(connection, ASK)?;
    if let Some(topic) = admin.topic(&args.events)? {
        return Ok(topic.partitions);
    }
    if admin.create_topic(&args.events, args.partitions, &[])? {
        eprintln!("created the topic {} with {} partitions", args.events, args.partitions);
    }
    Ok(admin.topic(&args.events)?.map_or(args.partitions, |topic| topic.partitions))
}

fn bar(count: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(count, ProgressDrawTarget::hidden());
    }
    let (bar, template) = match count {
        Some(count) => (
            ProgressBar::new(count),
            "{bar:40} {human_pos} of {human_len} events, {per_sec}, {eta} to go",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {human_pos} events, {per_sec}"),
    };
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    bar.with_style(style.progress_chars("━╸ "))
}

fn summary(loaded: &Loaded, topic: &str, partitions: u32, took: Duration, seed: Option<u64>) -> String {
    let rate = loaded.events as f64 / took.as_secs_f64().max(0.001);
    let mut text = format!(
        "produced {} events ({}) to {topic}, {partitions} partitions, in {:.2} s: {}/s",
        HumanCount(loaded.events),
        HumanBytes(loaded.bytes),
        took.as_secs_f64(),
        HumanCount(rate as u64),
    );
    if loaded.malformed > 0 {
        let ways = Malformed::ALL.len() as u64;
        let (malformed, ways) = (HumanCount(loaded.malformed), ways.min(loaded.malformed));
        text.push_str(&format!("; {malformed} of them malformed, in {ways} ways"));
    }
    if let Some(seed) = seed {
        text.push_str(&format!("; --seed {seed} gives the same numbers again"));
    }
    text
}

fn kafka_code(error: &KafkaError) -> u8 {
    if error.is_transient() { 3 } else { 1 }
}

fn load_code(error: &LoadError) -> u8 {
    match error {
        LoadError::Input(_) => 2,
        LoadError::Publish { .. } => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_was_produced_and_how_to_do_it_again() {
        let loaded = Loaded {
            events: 1_000_000,
            bytes: 18_000_000,
            malformed: 1_000,
        };
        let text = summary(&loaded, "events", 8, Duration::from_millis(500), Some(7));
        assert_eq!(
            text,
            "produced 1,000,000 events (17.17 MiB) to events, 8 partitions, in 0.50 s: 2,000,000/s; 1,000 of them malformed, in 15 ways; --seed 7 gives the same numbers again"
        );
        let few = Loaded {
            events: 1,
            bytes: 3,
            malformed: 0,
        };
        let text = summary(&few, "t", 1, Duration::from_secs(1), None);
        assert_eq!(text, "produced 1 events (3 B) to t, 1 partitions, in 1.00 s: 1/s");
    }

    #[test]
    fn a_share_is_between_none_and_all() {
        assert_eq!(share("0.001"), Ok(0.001));
        for text in ["1.1", "-0.1", "NaN", "x"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
