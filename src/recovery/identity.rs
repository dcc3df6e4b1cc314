//! The first rows of the table: whether the store is ours, and readable at all.

use super::{
    facts::{ChainFacts, Facts, GoodChain},
    metadata::Authored,
    refusal::{Cause, Difference, IdentityPart},
};

/// Row: the store is of another pipeline, or a topic was recreated or resized.
pub(super) fn same_pipeline(facts: &Facts) -> Result<(), Cause> {
    let ChainFacts::Good(chain) = &facts.chain else {
        return Ok(());
    };
    let (store, ours) = (&chain.pipeline, &facts.ours);
    let both = |a: &Option<String>, b: &Option<String>| a.clone().zip(b.clone());
    let known = |a: &String, b: &String| Some((a.clone(), b.clone()));
    let differences: Vec<Difference> = [
        (
            IdentityPart::Cluster,
            both(&store.cluster_id, &ours.cluster_id),
        ),
        (IdentityPart::Group, known(&store.group, &ours.group)),
        (
            IdentityPart::EventsTopic,
            known(&store.events_topic, &ours.events_topic),
        ),
        (
            IdentityPart::EventsTopicId,
            both(&store.events_topic_id, &ours.events_topic_id),
        ),
        (
            IdentityPart::ResultsTopic,
            known(&store.results_topic, &ours.results_topic),
        ),
        (
            IdentityPart::ResultsPartitions,
            known(
                &store.results_partitions.to_string(),
                &ours.results_partitions.to_string(),
            ),
        ),
    ]
    .into_iter()
    .filter_map(|(part, values)| values.map(|(store, ours)| Difference { part, store, ours }))
    .filter(|difference| difference.store != difference.ours)
    .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(Cause::OtherPipeline {
        sequence: chain.sequence,
        differences,
    })
}

/// Rows: a newer format; no manifest can be read.
pub(super) fn readable(facts: &Facts) -> Result<Option<&GoodChain>, Cause> {
    if let ChainFacts::Newer {
        sequence,
        version,
        writer,
    } = &facts.chain
    {
        return Err(Cause::NewerManifest {
            sequence: *sequence,
            version: *version,
            by: writer.clone(),
        });
    }
    if let Some(committed) = &facts.committed
        && let Authored::Newer { version, by } = &committed.authored
    {
        return Err(Cause::NewerCommit {
            committed: committed.offset,
            version: *version,
            by: by.clone(),
        });
    }
    match &facts.chain {
        ChainFacts::Good(chain) => Ok(Some(chain)),
        ChainFacts::Unreadable { damage } => Err(Cause::Unreadable {
            damage: damage.clone(),
        }),
        ChainFacts::StrayNumber { path, below } => Err(Cause::StrayNumber {
            path: path.clone(),
            below: *below,
        }),
        ChainFacts::Absent | ChainFacts::Newer { .. } => Ok(None),
    }
}
