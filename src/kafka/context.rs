//! What the client calls back with: errors, logs, rebalances, failed deliveries.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError as NativeError, RDKafkaErrorCode as Code},
    producer::{DeliveryResult, NoCustomPartitioner, ProducerContext},
    types::RDKafkaRespErr,
};

use super::{
    codes::{is_denied, is_passing},
    error::{Failure, KafkaError},
};
use crate::model::Partition;

/// The same trouble is logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(5);
/// An error text older than this explains nothing any more.
const ERROR_AGE: Duration = Duration::from_secs(60);

/// A connection that ends sooner after it was made has had no question answered, but for the first.
const EARLY: Duration = Duration::from_secs(1);

/// A rebalance that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rebalance {
    Assigned(Vec<Partition>),
    Revoked {
        partitions: Vec<Partition>,
        lost: bool,
    },
    Failed(String),
}

/// Messages that were not delivered.
#[derive(Debug, Default)]
pub(super) struct Undelivered {
    pub(super) count: u64,
    pub(super) first: Option<(String, i32, Failure)>,
}

#[derive(Default)]
struct Errors {
    last: Option<(Code, String, Instant)>,
    logged: HashMap<String, Instant>,
}

/// The context of every client of this module.
pub(super) struct Context {
    role: &'static str,
    errors: Mutex<Errors>,
    rebalances: Mutex<VecDeque<Rebalance>>,
    undelivered: Mutex<Undelivered>,
    leaving: AtomicBool,
}

impl Context {
    pub(super) fn new(role: &'static str) -> Context {
        Context {
            role,
            errors: Mutex::default(),
            rebalances: Mutex::default(),
            undelivered: Mutex::default(),
            leaving: AtomicBool::new(false),
        }
    }

    /// The client's last error, when it is recent.
    pub(super) fn last_error(&self) -> Option<(Code, String)> {
        let errors = lock(&self.errors);
        let (code, text, at) = errors.last.as_ref()?;
        (at.elapsed() < ERROR_AGE).then(|| (*code, text.clone()))
    }

    /// The client's last error text, when it is recent.
    pub(super) fn why(&self) -> Option<String> {
        self.last_error().map(|(_, text)| text)
    }

    /// The error of a call, with what the client last had to say.
    pub(super) fn failed(
        &self,
        brokers: &str,
        doing: impl Into<String>,
        source: impl Into<Failure>,
    ) -> KafkaError {
        let (doing, mut source) = (doing.into(), source.into());
        let last = self.last_error();
        let unreachable = matches!(
            source.code,
            Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve
        ) || (source.code == Code::OperationTimedOut && last.is_some());
        // Nobody answers whom the broker has refused: that it has is what counts.
        if let Some((code, _)) = &last
            && unreachable
            && is_denied(*code)
        {
            source = Failure::of(*code);
        }
        let why = last.map(|(_, text)| text);
        if unreachable {
            KafkaError::Unreachable {
                brokers: brokers.to_owned(),
                doing,
                why,
                source,
            }
        } else {
            KafkaError::Call {
                doing,
                why: why.filter(|_| is_passing(source.code)),
                source,
            }
        }
    }

    /// Rebalances are answered inside the callback from now on.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// The owner answers rebalances again.
    pub(super) fn stay(&self) {
        self.leaving.store(false, Ordering::Release);
    }

    /// Remembers that the broker hung up, where that tells something. A refusal tells more.
    fn hung_up(&self, message: &str) {
        let is_refused = |(code, _): &(Code, String)| is_denied(*code);
        if !is_early(message) || self.last_error().as_ref().is_some_and(is_refused) {
            return;
        }
        let text = format!(
            "the broker hung up; it may expect TLS or SASL: -X security.protocol=SSL, SASL_SSL or SASL_PLAINTEXT ({message})"
        );
        lock(&self.errors).last = Some((Code::BrokerTransportFailure, text, Instant::now()));
    }

    pub(super) fn next_rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    /// What was not delivered since the last call.
    pub(super) fn take_undelivered(&self) -> Undelivered {
        mem::take(&mut *lock(&self.undelivered))
    }

    /// Whether trouble of this kind has not been logged lately.
    pub(super) fn is_news(&self, kind: &str) -> bool {
        let mut errors = lock(&self.errors);
        let now = Instant::now();
        match errors.logged.get(kind) {
            Some(at) if now.duration_since(*at) < LOG_INTERVAL => false,
            _ => {
                errors.logged.insert(kind.to_owned(), now);
                true
            }
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == "FAIL" && is_hang_up(message) {
            self.hung_up(message);
            tracing::debug!(client = self.role, facility, "{message}");
            return;
        }
        // Producer properties given to a consumer and the other way round: every client gets all of the user's.
        // A sample of the newest events may ask for offsets before the log's start.
        let usual = facility == "CONFWARN" || (self.role == "sample" && facility == "OFFSET");
        if usual || level as i32 > RDKafkaLogLevel::Warning as i32 {
            tracing::debug!(client = self.role, facility, "{message}");
        } else if self.is_news(facility) {
            tracing::warn!(client = self.role, facility, "{message}");
        }
    }

    fn error(&self, error: NativeError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
        if code == Code::PartitionEOF {
            return;
        }
        {
            let mut errors = lock(&self.errors);
            // "1/1 brokers are down" hides the reason that came just before it.
            let hides = code == Code::AllBrokersDown
                && errors
                    .last
                    .as_ref()
                    .is_some_and(|(_, _, at)| at.elapsed() < ERROR_AGE);
            if !hides {
                errors.last = Some((code, reason.to_owned(), Instant::now()));
            }
        }
        if self.is_news(&format!("{code:?}")) {
            tracing::warn!(client = self.role, ?code, "{reason}");
        }
    }
}

impl ConsumerContext for Context {
    /// Only records the rebalance: the owner answers it after `poll`. librdkafka waits for that.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let numbers = || {
            partitions
                .elements()
                .iter()
                .map(|e| Partition(e.partition()))
                .collect()
        };
        let rebalance = match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assigned(numbers()),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => Rebalance::Revoked {
                partitions: numbers(),
                lost: consumer.assignment_lost(),
            },
            other => Rebalance::Failed(Code::from(other).to_string()),
        };
        tracing::debug!(client = self.role, ?rebalance, "rebalance");
        if self.leaving.load(Ordering::Acquire) {
            answer(consumer, &rebalance);
        } else {
            lock(&self.rebalances).push_back(rebalance);
        }
    }

    fn commit_callback(&self, result: Result<(), NativeError>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(client = self.role, %error, "commit");
        }
    }
}

/// Whether a log line is about a connection that the broker has closed: usual, unless it says more.
fn is_hang_up(message: &str) -> bool {
    message.contains("Disconnected")
}

/// Whether a broker hung up on one of the first questions. A port for TLS does so on the first, one for SASL after it: it tells
/// anybody which versions it speaks.
fn is_early(message: &str) -> bool {
    let age = message.split_once("(after ").and_then(|(_, rest)| {
        let (age, state) = rest.split_once("ms in state ")?;
        state.starts_with("UP").then(|| age.parse::<u64>().ok())?
    });
    message.contains("in state APIVERSION_QUERY")
        || message.contains("security.protocol")
        || age.is_some_and(|age| Duration::from_millis(age) < EARLY)
}

/// Answers a rebalance without taking any partition.
pub(super) fn answer(consumer: &BaseConsumer<Context>, rebalance: &Rebalance) {
    let result = match rebalance {
        Rebalance::Assigned(_) => consumer.incremental_assign(&TopicPartitionList::new()),
        // Partitions that were never taken cannot be given back.
        Rebalance::Revoked { partitions, .. } => consumer.assignment().and_then(|assigned| {
            let mut given = TopicPartitionList::new();
            for element in assigned.elements() {
                if partitions.contains(&Partition(element.partition())) {
                    given.add_partition(element.topic(), element.partition());
                }
            }
            consumer.incremental_unassign(&given)
        }),
        Rebalance::Failed(_) => Ok(()),
    };
    if let Err(error) = result {
        tracing::debug!(%error, ?rebalance, "a rebalance could not be answered while leaving");
    }
}

impl ProducerContext<NoCustomPartitioner> for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let mut undelivered = lock(&self.undelivered);
            undelivered.count += 1;
            undelivered.first.get_or_insert_with(|| {
                (
                    message.topic().to_owned(),
                    message.partition(),
                    error.clone().into(),
                )
            });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable(context: &Context) -> KafkaError {
        context.failed(
            "broker:9092",
            "connect",
            Failure::of(Code::BrokerTransportFailure),
        )
    }

    #[test]
    fn a_refusal_needs_a_person_also_where_the_call_only_says_that_nobody_answers() {
        for (code, needed) in [
            (Code::Authentication, true),
            (Code::SSL, true),
            (Code::UnsupportedSASLMechanism, true),
            (Code::Resolve, false),
        ] {
            let context = Context::new("test");
            context.error(NativeError::Global(code), "the broker's words");
            // Neither hides it.
            context.error(
                NativeError::Global(Code::AllBrokersDown),
                "1/1 brokers are down",
            );
            context.log(
                RDKafkaLogLevel::Info,
                "FAIL",
                "Disconnected (after 2ms in state UP)",
            );
            let error = unreachable(&context);
            assert_eq!(error.needs_a_person(), needed, "{code:?}: {error}");
            assert!(
                !needed || error.to_string().contains("the broker's words"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_broker_that_hangs_up_early_may_expect_another_protocol() {
        for (message, tells) in [
            ("Disconnected (after 2ms in state UP)", true),
            ("Disconnected (after 1ms in state APIVERSION_QUERY)", true),
            ("Disconnected (after 600012ms in state UP)", false),
            ("Disconnected (after 3ms in state AUTH_REQ)", false),
            ("Disconnected: check security.protocol", true),
        ] {
            let context = Context::new("test");
            context.log(RDKafkaLogLevel::Info, "FAIL", message);
            let said = unreachable(&context).to_string();
            assert_eq!(said.contains("hung up"), tells, "{said}");
        }
    }
}
