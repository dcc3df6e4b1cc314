//! Questions about a cluster, its topics and its groups.

mod coordinators;
mod offsets;
mod topics;

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{AdminClient, AdminOptions},
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError as NativeError, RDKafkaErrorCode as Code},
};

pub use offsets::{CommittedOffset, Watermarks};
pub use topics::Topic;

use super::{
    codes::is_definite,
    connection::Connection,
    context::Context,
    error::{Failure, KafkaError},
    raw,
};

/// Connecting that takes longer is worth a word.
const UNUSUAL: Duration = Duration::from_secs(3);

/// Asks a cluster; joins nothing. Every call blocks, for about the time-out at most.
pub struct Admin {
    connection: Connection,
    stable: BaseConsumer<Context>,
    latest: BaseConsumer<Context>,
    /// Who asks for committed offsets, and of which group; kept, because it has found that group's coordinator.
    asker: Mutex<Option<(String, Arc<BaseConsumer<Context>>)>>,
    /// Who creates topics and reads configurations; made when first needed.
    administrator: OnceLock<AdminClient<Context>>,
    timeout: Duration,
}

impl Admin {
    /// Connects, and waits until a broker answers.
    ///
    /// # Errors
    /// When no broker answers within `timeout`, which bounds the later calls as well.
    pub fn connect(connection: &Connection, timeout: Duration) -> Result<Admin, KafkaError> {
        Admin::connect_saying(connection, timeout, |_| ())
    }

    /// The same; `say` is told why nobody has answered yet, whenever that is known after some seconds.
    ///
    /// # Errors
    /// As [`Admin::connect`].
    pub fn connect_saying(
        connection: &Connection,
        timeout: Duration,
        say: impl Fn(&str),
    ) -> Result<Admin, KafkaError> {
        let asking =
            |level| connection.client(&[], &[("isolation.level", level)], Context::new("admin"));
        let (stable, latest) = (asking("read_committed")?, asking("read_uncommitted")?);
        let admin = Admin {
            connection: connection.clone(),
            stable,
            latest,
            asker: Mutex::default(),
            administrator: OnceLock::new(),
            timeout,
        };
        let since = Instant::now();
        admin.ask(&admin.stable, "connect", |consumer, timeout| {
            if since.elapsed() >= UNUSUAL {
                let why = consumer.context().why();
                say(why.as_deref().unwrap_or("nobody has said why"));
            }
            consumer.fetch_metadata(Some("__snapback_probe"), timeout)
        })?;
        Ok(admin)
    }

    /// The cluster's id; `None` from a broker that has none.
    #[must_use]
    pub fn cluster_id(&self) -> Option<String> {
        self.stable
            .client()
            .fetch_cluster_id(self.timeout)
            .filter(|id| !id.is_empty())
    }

    /// Asks until there is an answer or the time is over. The reasons for silence come through the client's events, so
    /// it stops in between to serve them.
    pub(super) fn ask<T>(
        &self,
        consumer: &BaseConsumer<Context>,
        doing: &str,
        mut question: impl FnMut(&BaseConsumer<Context>, Duration) -> Result<T, NativeError>,
    ) -> Result<T, KafkaError> {
        let deadline = Instant::now() + self.timeout;
        let mut slice = Duration::from_millis(250);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match question(consumer, slice.min(left).max(Duration::from_millis(1))) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            serve(consumer);
            let silent = matches!(
                error.rdkafka_error_code(),
                Some(Code::BrokerTransportFailure | Code::OperationTimedOut | Code::AllBrokersDown)
            );
            let hopeless = consumer
                .context()
                .last_error()
                .is_some_and(|(code, _)| is_definite(code));
            if !silent || hopeless || Instant::now() >= deadline {
                return Err(self.failed(consumer, doing, error));
            }
            slice *= 2;
        }
    }

    fn failed(
        &self,
        consumer: &BaseConsumer<Context>,
        doing: &str,
        failure: impl Into<Failure>,
    ) -> KafkaError {
        serve(consumer);
        consumer
            .context()
            .failed(self.connection.brokers(), doing, failure)
    }

    pub(super) fn client(&self) -> &BaseConsumer<Context> {
        &self.stable
    }

    /// Whether this is librdkafka's mock cluster: it names a controller that is none of its brokers, so questions for the
    /// controller are never answered.
    pub(super) fn is_mock(&self) -> bool {
        self.cluster_id()
            .is_some_and(|id| id.starts_with("mockCluster"))
    }

    fn admin_client(&self) -> Result<&AdminClient<Context>, KafkaError> {
        if let Some(made) = self.administrator.get() {
            return Ok(made);
        }
        let made = self.connection.client(&[], &[], Context::new("admin"))?;
        Ok(self.administrator.get_or_init(|| made))
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new()
            .request_timeout(Some(self.timeout))
            .operation_timeout(Some(self.timeout))
    }
}

/// Hands the client's waiting events to its context.
pub(super) fn serve(consumer: &BaseConsumer<Context>) {
    while consumer.poll(Duration::ZERO).is_some() || raw::waiting(consumer) > 0 {}
}
