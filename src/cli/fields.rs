//! `snapback fields`

pub(super) mod no_proposal;

use std::time::Duration;

use clap::Args;

use no_proposal::NoProposal;

use super::{
    Exit,
    args::{Common, EventsArgs, KafkaArgs},
    out,
    session::Session,
};
use crate::{
    config::{self, Flags, Output},
    events::Observed,
    kafka::{Admin, Ends, KafkaError, sample},
    telemetry,
};

const EXAMPLES: &str = "\
Looks at up to 1,000 events, the oldest and the newest of each partition. It joins no group and changes
nothing. The declaration is a guess that was tried on them: check that it says what you mean.

Examples:
  snapback fields --events orders
  snapback fields --events orders -o json        also how many events were looked at, and how many fit
  fields=$(snapback fields --events orders)
  snapback run --events orders --fields \"$fields\" --calculation 'square(price)'";

/// Propose a declaration of the events' fields, from a sample of them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct FieldsArgs {
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    common: Common,
}

impl FieldsArgs {
    fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.common.collect(&mut flags);
        self.kafka.collect(&mut flags);
        self.events.collect(&mut flags);
        flags
    }
}

/// How long a question to the broker may take.
const ASK: Duration = Duration::from_secs(30);
/// How many events are looked at, and for how long.
const SAMPLE: usize = 1_000;
const SAMPLE_TIME: Duration = Duration::from_secs(5);

pub(super) fn execute(args: &FieldsArgs) -> anyhow::Result<Exit> {
    let session = Session::begin(&args.common, args.flags())?;
    let connection = config::connection(&session.layers)?;
    let topic = config::events(&session.layers)?;
    let found = Admin::connect(&connection, ASK)?.topic(&topic)?;
    let Some(found) = found else {
        return Err(KafkaError::MissingTopic { topic }.into());
    };
    let of = (topic.as_str(), found.partitions);
    let events = sample(&connection, of, Ends::Both, SAMPLE, SAMPLE_TIME)?;
    let sampled = events.len();
    if sampled == 0 {
        return Err(NoProposal::NoEvents {
            topic,
            seconds: SAMPLE_TIME.as_secs(),
        }
        .into());
    }
    let observed = Observed::of(events.iter().filter_map(|event| event.payload.as_deref()));
    let Some(fields) = observed.fields() else {
        return Err(NoProposal::NoMembers { topic, sampled }.into());
    };
    let accepted = fields.accepting(events.iter().map(|event| event.payload.as_deref()));
    let left_out = observed.left_out();
    let text = match session.output.output {
        Output::Json => serde_json::json!({
            "topic": topic,
            "fields": fields.to_string(),
            "sampled": sampled,
            "accepted": accepted,
            "left_out": left_out,
        })
        .to_string(),
        Output::Table => {
            telemetry::say(&format!(
                "{accepted} of {sampled} sampled events of {topic} fit this declaration"
            ));
            if !left_out.is_empty() {
                let names = left_out.join(", ");
                telemetry::say(&format!(
                    "left out, because they can be no columns: {}",
                    out::shown(&names)
                ));
            }
            fields.to_string()
        }
    };
    out::end_with(Exit::Done, &text)
}
