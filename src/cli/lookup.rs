//! `snapback lookup`

use clap::Args;

use super::{
    Exit,
    args::{Common, EventsArgs, StoreArgs},
    out::{self, shown},
    session::{Session, runtime, stored},
};
use crate::{
    config::{Flags, Output},
    model::{Offset, Partition},
    query::{self, Corrected, Correction, Fate, Lookup, Stored},
};

const EXAMPLES: &str = "\
Of a large segment only its end and the part that has the row are read; that all of it is whole, `snapback verify` proves.
Ends with 0 when it is known what became of the offset, with 1 when the snapshots do not reach it, or the newest is damaged.

Examples:
  snapback lookup 3/1042
  snapback lookup 3/1042 --events orders --store s3://bucket/snapshots -o json";

/// What became of one event: its stored result or reject, and every correction of it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LookupArgs {
    /// A partition and an offset
    #[arg(value_name = "PARTITION/OFFSET", value_parser = source)]
    source: (Partition, Offset),
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    common: Common,
}

fn source(text: &str) -> Result<(Partition, Offset), String> {
    let parts = text.split_once('/').and_then(|(partition, offset)| {
        let partition = partition.parse().ok().filter(|number| *number >= 0)?;
        Some((Partition(partition), Offset::new(offset.parse().ok()?)?))
    });
    parts.ok_or_else(|| "write PARTITION/OFFSET, as in 3/1042".to_owned())
}

/// Looks it up and shows it.
pub(super) fn execute(args: &LookupArgs) -> anyhow::Result<Exit> {
    let mut flags = Flags::default();
    args.common.collect(&mut flags);
    args.events.collect(&mut flags);
    args.store.collect(&mut flags);
    let session = Session::begin(&args.common, flags)?;
    let runtime = runtime()?;
    let (store, layout) = stored(&runtime, &session)?;
    let (partition, offset) = args.source;
    let found = runtime.block_on(query::lookup(&store, &layout, partition, offset))?;
    let exit = match found.fate {
        _ if !found.damaged.is_empty() => Exit::Findings,
        Fate::NotStored { .. } | Fate::BeforeOrigin { .. } => Exit::Findings,
        _ => Exit::Done,
    };
    let text = match session.output.output {
        Output::Json => serde_json::to_string(&found)?,
        Output::Table => text(layout.topic(), &found),
    };
    out::end_with(exit, &text)
}

fn text(topic: &str, found: &Lookup) -> String {
    let place = format!("{topic}/{}/{}", found.partition, found.offset);
    let mut text = match &found.fate {
        Fate::Result(result) => {
            let lines = lines(&result.stored);
            format!(
                "{place}: a result\n  {}\n{lines}",
                shown(result.message.get())
            )
        }
        Fate::Reject(reject) => {
            let payload = reject.payload.as_deref().unwrap_or("null");
            format!(
                "{place}: a reject\n  reason: {}\n  payload: {}\n{}",
                shown(&reject.reason),
                shown(payload),
                lines(&reject.stored)
            )
        }
        Fate::Filtered => format!(
            "{place}: filtered: --where leaves the event out; it is neither stored nor published\n"
        ),
        Fate::AbsentOrFiltered => format!(
            "{place}: filtered by --where, or absent: too many offsets are absent around it to list them; whether Kafka has an event there tells which\n"
        ),
        Fate::Absent => format!(
            "{place}: absent: the log never delivered it (a transaction's marker, an aborted or a compacted record)\n"
        ),
        Fate::Lost { reason } => {
            format!(
                "{place}: lost: accepted as a gap ({reason}, see `snapback snapshots show {}`)\n",
                found.partition
            )
        }
        Fate::BeforeOrigin { origin } => {
            format!("{place}: not stored: the history begins at offset {origin}\n")
        }
        Fate::NotStored { end } => format!(
            "{place}: not stored yet: snapshot {} ends at offset {end}\n",
            found.snapshot
        ),
    };
    for correction in &found.corrections {
        text.push_str(&line(correction));
    }
    if let Some(newest) = found.damaged.last() {
        text.push_str(&format!(
            "  this is what snapshot {} says; {newest} is damaged, and may say otherwise: see `snapback verify`\n",
            found.snapshot
        ));
    }
    text
}

fn lines(stored: &Stored) -> String {
    let mut text = String::new();
    if let Some(key) = &stored.key {
        text.push_str(&format!("  key: {}\n", shown(key)));
    }
    if let Some(time) = &stored.kafka_timestamp {
        text.push_str(&format!("  time: {time}\n"));
    }
    if let Some(raw) = stored.kafka_timestamp_raw {
        text.push_str(&format!("  time: {raw}, outside of the years 1 to 9999\n"));
    }
    if !stored.not_known.is_empty() {
        text.push_str(&format!(
            "  not known of its event: {}; it was made again from its message\n",
            stored.not_known.join(", ")
        ));
    }
    text.push_str(&format!(
        "  in {}, of the calculation {}\n",
        shown(&stored.segment),
        stored.fingerprint
    ));
    text
}

fn line(correction: &Correction) -> String {
    let was = match &correction.was {
        Some(was) => corrected(was),
        None => "not known: it was published before a crash, and in no snapshot then".into(),
    };
    format!(
        "  corrected, revision {}\n    was: {was}\n    is:  {}\n",
        correction.revision,
        corrected(&correction.is)
    )
}

fn corrected(outcome: &Corrected) -> String {
    match outcome {
        Corrected::Result { message } => shown(message.get()).into_owned(),
        Corrected::Reject { reason } => format!("a reject, {}", shown(reason)),
        Corrected::Filtered => "filtered".to_owned(),
    }
}
