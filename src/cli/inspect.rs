//! `snapback inspect`

use std::{fs, path::Path};

use anyhow::Context as _;
use clap::Args;

use super::{
    Exit,
    args::{Common, EventsArgs, StoreArgs},
    out::{self, shown},
    session::{Session, runtime, stored},
};
use crate::{
    config::{Flags, Output},
    query::{self, FileKind, Inspected, ListedFiles, Says},
    store,
};

/// No file of a store is larger: those that are, are not read.
const MOST_BYTES: u64 = 1 << 30;

const EXAMPLES: &str = "\
FILE is a file on disk, or its path in the store as manifests list it. It is read alone: whether a manifest lists it is what
`snapback verify` tells.
Ends with 0 when the file is whole, with 1 when it is not, with 4 when a newer snapback wrote it.

Examples:
  snapback inspect snapshots/events/_manifests/partition=0/00000000000000000001.json
  snapback inspect --store s3://bucket/x events/_pages/partition=0/0-400-1a2b3c4d.json";

/// What one file is: a segment, a manifest or a page, what it says of itself, and whether it is whole
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct InspectArgs {
    /// A file on disk, or a path in the store
    #[arg(value_name = "FILE")]
    file: String,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    common: Common,
}

/// Reads it and shows it.
pub(super) fn execute(args: &InspectArgs) -> anyhow::Result<Exit> {
    let mut flags = Flags::default();
    args.common.collect(&mut flags);
    args.events.collect(&mut flags);
    args.store.collect(&mut flags);
    let session = Session::begin(&args.common, flags)?;
    let runtime = runtime()?;
    let file = Path::new(&args.file);
    let bytes = if file.is_file() {
        let about = || format!("cannot read {}", args.file);
        let size = file.metadata().with_context(about)?.len();
        anyhow::ensure!(
            size <= MOST_BYTES,
            "{} is larger than any file of a store",
            args.file
        );
        fs::read(file).with_context(about)?.into()
    } else {
        let (store, _) = stored(&runtime, &session)?;
        let path = store::Path::parse(&args.file).with_context(|| {
            format!(
                "there is no file {}, and no such path in a store",
                args.file
            )
        })?;
        runtime.block_on(store.get(&path, MOST_BYTES))?
    };
    let name = args.file.rsplit('/').next().unwrap_or(&args.file);
    let inspected = query::inspect(name, bytes);
    let exit = match inspected.whole {
        true => Exit::Done,
        false if inspected.newer => Exit::Refused,
        false => Exit::Findings,
    };
    let text = match session.output.output {
        Output::Json => serde_json::to_string(&inspected)?,
        Output::Table => text(&inspected),
    };
    out::end_with(exit, &text)
}

fn text(inspected: &Inspected) -> String {
    let kind = match inspected.kind {
        FileKind::Results => "a segment of results",
        FileKind::Rejects => "a segment of rejects",
        FileKind::Corrections => "a segment of corrections",
        FileKind::Manifest => "a manifest",
        FileKind::Page => "a page",
        FileKind::Unknown => "no file of snapback's, or a damaged one",
    };
    let mut text = match &inspected.says {
        Some(says) => said(kind, says),
        None => format!("{kind}\n"),
    };
    text.push_str(&format!(
        "  {} bytes, {}\n",
        inspected.bytes, inspected.digest
    ));
    text.push_str(&match &inspected.damage {
        None => "  it is whole\n".to_owned(),
        Some(newer) if inspected.newer => format!("  {}\n", shown(newer)),
        Some(damage) => format!("  it is NOT whole: {}\n", shown(damage)),
    });
    text
}

fn said(kind: &str, says: &Says) -> String {
    let number = says.sequence.map(|number| format!(", number {number}"));
    let mut text = format!(
        "{kind} of {}{}, partition {}, offsets {}-{}\n",
        shown(&says.topic),
        number.unwrap_or_default(),
        says.partition,
        says.start,
        says.end
    );
    if let Some(rows) = says.rows {
        text.push_str(&format!("  {rows} rows\n"));
    }
    if let Some(not_known) = &says.not_known {
        text.push_str(&format!(
            "  not known: {} (made again from messages): NULL says nothing there\n",
            shown(not_known)
        ));
    }
    let counts = says.counts;
    text.push_str(&format!(
        "  its offsets: {} results, {} rejects, {} filtered, {} absent, {} lost\n",
        counts.results, counts.rejects, counts.filtered, counts.absent, counts.lost
    ));
    if let Some(lists) = &says.lists {
        text.push_str(&listed(lists));
    }
    for one in &says.calculations {
        let condition = one.condition.as_ref();
        let condition = condition.map(|condition| format!(" where {}", shown(condition)));
        text.push_str(&format!(
            "  calculation {}: {} on {}{}\n",
            one.fingerprint,
            shown(&one.calculation),
            shown(&one.fields),
            condition.unwrap_or_default()
        ));
    }
    if let Some(edit) = says.edit {
        let writer = says.writer.as_deref().unwrap_or_default();
        text.push_str(&format!("  by {}, for: {edit}\n", shown(writer)));
    }
    text
}

fn listed(lists: &ListedFiles) -> String {
    let ListedFiles {
        results,
        rejects,
        corrections,
        pages,
        segments_in_pages,
    } = lists;
    let in_pages = match pages {
        0 => String::new(),
        pages => format!("; {pages} pages of {segments_in_pages} segments"),
    };
    format!(
        "  lists {results} segments of results, {rejects} of rejects, {corrections} of corrections{in_pages}\n"
    )
}
