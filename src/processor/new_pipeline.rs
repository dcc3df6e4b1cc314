//! The first start of a pipeline: nothing is stored yet, and the group has committed nothing. A declaration that does not fit
//! the topic is found out on a sample, before it makes rejects of all events.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};

use super::{ProcessorError, watch::Tally};
use crate::{
    calculation::{CalculationError, Evaluator, Proposal, propose},
    config::RunConfig,
    events::printable,
    format::Layout,
    history::list_manifests,
    kafka::{Admin, Ends, KafkaError, Sampled, sample},
    model::{Event, Partition, Reject},
    recovery::{Invocation, Start},
    store::Store,
};

/// How many events are looked at, and for how long.
const SAMPLE: usize = 1_000;
const SAMPLE_TIME: Duration = Duration::from_secs(2);
/// Fewer events say nothing about a topic.
const FEWEST: usize = 20;
/// Of a hundred events so many must be rejects for the declaration to be wrong.
const WRONG: usize = 99;
/// So many partitions are looked for in the store at a time.
const AT_A_TIME: usize = 16;
/// The longest part of a sampled payload that is shown, in characters.
const LONGEST_SHOWN: usize = 300;

/// What may be a pipeline's first start.
pub struct NewPipeline<'a> {
    pub settings: &'a RunConfig,
    pub store: &'a Store,
    pub layout: &'a Layout,
    pub admin: &'a Admin,
    /// Of the events topic.
    pub partitions: u32,
}

impl NewPipeline<'_> {
    /// Tries the declaration on a sample, if this is the first start and nobody allows all rejects.
    pub fn check_declaration(
        &self,
        evaluator: &Evaluator,
        runtime: &tokio::runtime::Handle,
    ) -> Result<(), ProcessorError> {
        if self.settings.allow_rejects || !runtime.block_on(self.is_nothing_stored()) {
            return Ok(());
        }
        let sampled = self.sample()?;
        let events: Vec<Event<'_>> = sampled.iter().map(Sampled::event).collect();
        let Some(mismatch) = Mismatch::of(&events, evaluator)? else {
            return Ok(());
        };
        if !self.is_nothing_committed()? {
            return Ok(());
        }
        let calculation = &self.settings.calculation;
        let proposal = propose(
            &events,
            &calculation.fields,
            &calculation.calculation,
            calculation.condition.as_ref(),
        );
        let declared = Declared {
            topic: &self.settings.pipeline.events,
            fields: calculation.fields.to_string(),
            calculation: evaluator.calculation_text(),
        };
        let partition = sampled
            .get(mismatch.index)
            .map_or(Partition(0), |sampled| sampled.partition);
        let text = mismatch.text(
            partition,
            &declared,
            proposal.as_ref(),
            &self.settings.invocation,
        );
        Err(ProcessorError::WrongDeclaration { text })
    }

    /// Whether no partition has a manifest. What cannot be listed counts as one.
    async fn is_nothing_stored(&self) -> bool {
        let partitions = (0..).take(self.partitions as usize).map(Partition);
        let stored = partitions.map(|partition| async move {
            let found = list_manifests(self.store, self.layout, partition).await;
            !found.is_ok_and(|numbers| numbers.is_empty())
        });
        let mut stored = stream::iter(stored).buffered(AT_A_TIME);
        while let Some(stored) = stored.next().await {
            if stored {
                return false;
            }
        }
        true
    }

    /// Whether the group has committed no offset. A transaction of the group is about to commit some.
    fn is_nothing_committed(&self) -> Result<bool, KafkaError> {
        let pipeline = &self.settings.pipeline;
        let partitions: Vec<Partition> = (0..)
            .take(self.partitions as usize)
            .map(Partition)
            .collect();
        let (group, topic) = (&pipeline.group, &pipeline.events);
        match self.admin.committed_where_stable(group, topic, &partitions) {
            Err(KafkaError::OpenTransaction { .. }) => Ok(false),
            committed => {
                let committed = committed?;
                let is_stable = committed.len() == partitions.len();
                Ok(is_stable && committed.values().all(Option::is_none))
            }
        }
    }

    fn sample(&self) -> Result<Vec<Sampled>, KafkaError> {
        let ends = match self.settings.policy.start {
            Start::Earliest => Ends::Both,
            Start::Latest | Start::Time(_) => Ends::Newest,
        };
        let topic = (self.settings.pipeline.events.as_str(), self.partitions);
        let since = Instant::now();
        let sampled = sample(&self.settings.connection, topic, ends, SAMPLE, SAMPLE_TIME)?;
        tracing::debug!(
            "looked at {} events in {:?}",
            sampled.len(),
            since.elapsed()
        );
        Ok(sampled)
    }
}

/// A sample that the declaration does not fit.
#[derive(Debug)]
struct Mismatch {
    sampled: usize,
    rejects: Tally,
    /// The first one, and its place in the sample.
    first: Reject,
    index: usize,
}

/// What the operator declared.
struct Declared<'a> {
    topic: &'a str,
    fields: String,
    calculation: String,
}

impl Mismatch {
    /// `None` where enough events are accepted, or too few are there.
    fn of(
        sample: &[Event<'_>],
        evaluator: &Evaluator,
    ) -> Result<Option<Mismatch>, CalculationError> {
        if sample.len() < FEWEST {
            return Ok(None);
        }
        // One by one: offsets of several partitions are in no order.
        let mut rejects = Tally::default();
        let mut first = None;
        for (index, event) in sample.iter().enumerate() {
            for reject in evaluator.evaluate([*event].into_iter())?.rejects {
                rejects.reject(&reject);
                first.get_or_insert((index, reject));
            }
        }
        let wrong = rejects.total() * 100 >= (sample.len() * WRONG) as u64;
        Ok(first.filter(|_| wrong).map(|(index, first)| Mismatch {
            sampled: sample.len(),
            rejects,
            first,
            index,
        }))
    }

    fn text(
        &self,
        partition: Partition,
        declared: &Declared<'_>,
        proposal: Option<&Proposal>,
        invocation: &Invocation,
    ) -> String {
        let payload = match &self.first.payload {
            None => "no payload".to_owned(),
            Some(payload) => printable(&String::from_utf8_lossy(payload), LONGEST_SHOWN),
        };
        let mut text = format!(
            "{} of {} sampled events of {} would be rejects: the declaration does not fit the topic. This would be the first run of this pipeline; nothing is committed, stored or created.\n\
             \n  declared: {} with {}\
             \n  reasons:  {}\
             \n  an event: {payload}\
             \n            partition {partition}, offset {}; {}\n",
            self.rejects.total(),
            self.sampled,
            declared.topic,
            declared.fields,
            declared.calculation,
            self.rejects.list(),
            self.first.offset,
            self.first.reason,
        );
        match proposal {
            None => text.push_str(
                "\nNo declaration was found that accepts any of them. `--events` may name another topic than you mean.\n",
            ),
            Some(proposal) => {
                let mut command = invocation
                    .clone()
                    .set("--fields", proposal.fields.to_string());
                if let Some(calculation) = &proposal.calculation {
                    command = command.set("--calculation", calculation);
                }
                text.push_str(&format!(
                    "\nThis declaration accepts {} of the {} ({:.1} %); check that it says what you mean:\n  {command}\n",
                    proposal.accepted,
                    self.sampled,
                    100.0 * proposal.accepted as f64 / self.sampled as f64,
                ));
            }
        }
        text.push_str(&format!(
            "\nTo go on as it is declared:\n  {}",
            invocation.clone().with_switch("--allow-rejects")
        ));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{calculation::builtin, events::Fields, model::Offset};

    fn events<'a>(payloads: &[&'a str]) -> Vec<Event<'a>> {
        let event = |(offset, payload): (u64, &&'a str)| Event {
            offset: Offset::ZERO.plus(offset),
            timestamp: None,
            key: None,
            payload: Some(payload.as_bytes()),
        };
        (0..).zip(payloads).map(event).collect()
    }

    fn evaluator() -> Evaluator {
        let square = builtin("square").expect("built in");
        Evaluator::new(Fields::default(), square).expect("the defaults fit each other")
    }

    fn is_wrong(good: usize, bad: usize) -> bool {
        let payloads = [vec!["{\"number\":1}"; good], vec!["{\"n\":1}"; bad]].concat();
        let found = Mismatch::of(&events(&payloads), &evaluator());
        found.expect("a calculation that works").is_some()
    }

    #[test]
    fn a_declaration_is_wrong_when_of_twenty_events_or_more_ninety_nine_percent_are_rejects() {
        for (good, bad, expected) in [
            (0, 0, false),
            (0, 19, false),
            (0, 20, true),
            (1, 20, false),
            (1, 99, true),
            (2, 99, false),
            (10, 990, true),
            (11, 989, false),
        ] {
            assert_eq!(is_wrong(good, bad), expected, "{good} good, {bad} bad");
        }
    }

    #[test]
    fn what_a_condition_leaves_out_is_no_reject() {
        let condition = crate::calculation::Condition::parse("number > 0").expect("a condition");
        let sieve = evaluator()
            .with_condition(Some(&condition))
            .expect("a BOOLEAN");
        let found = |payloads: &[&str]| Mismatch::of(&events(payloads), &sieve);
        let filtered = vec!["{\"number\":-1}"; 1000];
        assert!(found(&filtered).expect("a condition that works").is_none());
        let mixed = [filtered, vec!["no JSON"; 900]].concat();
        assert!(found(&mixed).expect("a condition that works").is_none());
        let wrong = found(&["no JSON"; 1000]).expect("a condition that works");
        assert!(wrong.is_some());
    }

    #[test]
    fn a_wrong_declaration_is_refused_with_one_that_works() {
        let payloads = vec!["{\"order\":7,\"price\":12.5,\"note\":\"a\\nb\"}"; 30];
        let sample = events(&payloads);
        let mismatch = Mismatch::of(&sample, &evaluator()).expect("a calculation that works");
        let mismatch = mismatch.expect("thirty rejects");
        let square = builtin("square").expect("built in");
        let declared = Declared {
            topic: "orders",
            fields: Fields::default().to_string(),
            calculation: "square(number)".to_owned(),
        };
        let invocation = Invocation::new("run").with("--events", "orders");
        let proposal = propose(&sample, &Fields::default(), &square, None);
        let text = |proposal| mismatch.text(Partition(3), &declared, proposal, &invocation);
        insta::assert_snapshot!("a_wrong_declaration", text(proposal.as_ref()));
        insta::assert_snapshot!("a_topic_of_something_else", text(None));
    }
}
