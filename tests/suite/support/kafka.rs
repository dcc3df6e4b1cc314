//! Apache Kafka: one node, broker and controller in one process; or each in its own, where the broker is killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rand::RngExt;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{ClientConfig, TopicPartitionList};

use super::cache::{installed, run_tool};
use super::heavy::{Turn, heavy};
use super::port::Port;
use super::server::Server;
use super::wait::poll;

const VERSION: &str = "4.3.1";
const JAVA: &str = "Java 17 (Debian: openjdk-17-jdk-headless)";
const MAVEN: &str = "Maven (Debian: maven)";
/// How long a broker may take to answer after its start; 3 s are usual.
const READY_WITHIN: Duration = Duration::from_secs(60);

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>snapback.tests</groupId><artifactId>broker</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>@VERSION@</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
</dependencies></project>
"#;

const LOGGING: &str = r#"<Configuration><Appenders><Console name="console"><PatternLayout pattern="%d %p %m (%c)%n"/></Console></Appenders>
<Loggers><Root level="warn"><AppenderRef ref="console"/></Root></Loggers></Configuration>
"#;

/// Short waits: for a killed transaction's end, for a first member, and for a killed broker's own ghost.
const PROPERTIES: &str = "\
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
";
/// Of a controller in a process of its own.
const CONTROLLER: &str = "\
process.roles=controller
node.id=2
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.dirs=data
";

/// A Kafka broker, stopped and removed when dropped.
pub struct Kafka {
    server: Server,
    _controller: Option<Server>,
    brokers: String,
    cluster_id: String,
    _ports: [Port; 2],
    ready: Ready,
    /// Of a private broker, which is one or two more Java machines.
    _turn: Option<Turn>,
}

/// What a broker is to answer before a test goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ready {
    ForTransactions,
    ForMetadata,
}

/// The broker that all tests share, started on first use.
#[track_caller]
pub fn kafka() -> &'static Kafka {
    // A failure is kept too: every test then fails at once with the same words.
    static SHARED: OnceLock<Result<Kafka, String>> = OnceLock::new();
    SHARED
        .get_or_init(|| Kafka::try_start(&[], false, None, Ready::ForTransactions))
        .as_ref()
        .unwrap_or_else(|error| panic!("{error}"))
}

impl Kafka {
    /// A private broker; `extra_properties` come after the usual ones and win over them; in their values @BROKER@
    /// and @CONTROLLER@ are the addresses of its ports.
    #[track_caller]
    pub fn start(extra_properties: &[(&str, &str)]) -> Self {
        Self::try_start(
            extra_properties,
            false,
            Some(heavy()),
            Ready::ForTransactions,
        )
        .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same, of a broker that may not be able to coordinate groups or transactions.
    #[track_caller]
    pub fn start_uncoordinated(extra_properties: &[(&str, &str)]) -> Self {
        Self::try_start(extra_properties, false, Some(heavy()), Ready::ForMetadata)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// A private broker that keeps its word when it is killed: its controller lives on, in a process of its own.
    ///
    /// A single node that is killed and comes back takes itself, for some milliseconds, for the leader that it was, and is
    /// then without a leader until its controller knows it again. Transactions whose commit it had acknowledged and whose
    /// markers it writes just then it takes for complete ("partitions are likely deleted already and hence can be
    /// skipped"): nobody ever sees their end. Seen once in about ten kills right after a commit, with Kafka 4.3.1; never
    /// with a controller that has noticed the broker's end.
    #[track_caller]
    pub fn start_to_be_killed() -> Self {
        Self::try_start(&[], true, Some(heavy()), Ready::ForTransactions)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// `host:port`, as in `--brokers`.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The id that a client sees.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The first file of a partition's log.
    pub fn log_file(&self, topic: &str, partition: i32) -> PathBuf {
        let folder = self.server.folder().join("data");
        folder.join(format!("{topic}-{partition}/00000000000000000000.log"))
    }

    /// Ends the broker in an orderly way.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Ends the broker with SIGKILL.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Starts the broker again on the same port and data, after stopping it if it still runs.
    #[track_caller]
    pub fn restart(&self) {
        self.server.stop();
        self.server.start();
        self.ready().unwrap_or_else(|error| panic!("{error}"));
    }

    fn try_start(
        extra_properties: &[(&str, &str)],
        controller_apart: bool,
        turn: Option<Turn>,
        ready: Ready,
    ) -> Result<Self, String> {
        let classes = jars()?.join("*");
        let ports = [Port::reserve()?, Port::reserve()?];
        let [brokers, controller] = ports
            .each_ref()
            .map(|port| format!("127.0.0.1:{}", port.number()));
        let cluster_id = random_cluster_id();
        let quorum = format!(
            "controller.quorum.voters={}@{controller}\n",
            if controller_apart { 2 } else { 1 }
        );
        let here = format!("CONTROLLER://{controller}");
        let apart = controller_apart.then(|| {
            let properties = format!("{CONTROLLER}{quorum}listeners={here}\n");
            node(&classes, &cluster_id, &properties)
        });
        let apart = apart.transpose()?;
        let (roles, listeners) = match &apart {
            Some(_) => ("broker", format!("PLAINTEXT://{brokers}")),
            None => ("broker,controller", format!("PLAINTEXT://{brokers},{here}")),
        };
        let mut properties = format!(
            "{PROPERTIES}{quorum}\
             process.roles={roles}\n\
             listeners={listeners}\n\
             advertised.listeners=PLAINTEXT://{brokers}\n\
             log.dirs=data\n"
        );
        for (name, value) in extra_properties {
            let value = value.replace("@BROKER@", &brokers);
            let value = value.replace("@CONTROLLER@", &controller);
            properties.push_str(&format!("{name}={value}\n"));
        }
        let server = node(&classes, &cluster_id, &properties)?;
        let kafka = Self {
            server,
            _controller: apart,
            brokers,
            cluster_id,
            _ports: ports,
            ready,
            _turn: turn,
        };
        kafka.ready()?;
        Ok(kafka)
    }

    /// Waits until the broker answers a client, and coordinates groups and transactions.
    fn ready(&self) -> Result<(), String> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("reconnect.backoff.max.ms", "200")
            .set("log_level", "0");
        let cannot = |error| format!("cannot make a Kafka client: {error}");
        let client: BaseConsumer = config
            .clone()
            .set("group.id", "ready")
            .create()
            .map_err(cannot)?;
        let producer: BaseProducer = config
            .set("transactional.id", "ready")
            .create()
            .map_err(cannot)?;
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition("ready", 0);
        let second = Duration::from_secs(1);
        poll(READY_WITHIN, || {
            let metadata = client.fetch_metadata(None, second).map_err(|error| error.to_string())?;
            if metadata.brokers().is_empty() {
                return Err("it knows no broker".to_owned());
            }
            let id = client.client().fetch_cluster_id(second);
            if id.as_ref() != Some(&self.cluster_id) {
                return Err(format!("its cluster is {id:?}"));
            }
            if self.ready == Ready::ForMetadata {
                return Ok(());
            }
            client
                .committed_offsets(offsets.clone(), second)
                .map_err(|error| format!("groups: {error}"))?;
            producer.init_transactions(5 * second).map_err(|error| format!("transactions: {error}"))
        })
        .map_err(|last| {
            format!(
                "Kafka on {} was not ready within {READY_WITHIN:?}: {last}; the end of its log:\n{}",
                self.brokers,
                self.server.last_log_lines()
            )
        })
    }
}

/// A node of its own folder, formatted and started.
fn node(classes: &Path, cluster_id: &str, properties: &str) -> Result<Server, String> {
    let folder = Server::new_folder()?;
    write(folder.path(), "server.properties", properties)?;
    write(folder.path(), "log4j2.xml", LOGGING)?;
    run_tool(
        java(classes)
            .args(["kafka.tools.StorageTool", "format", "-t", cluster_id])
            .args(["-c", "server.properties"])
            .current_dir(folder.path()),
        JAVA,
    )?;
    let mut command = java(classes);
    command.args(["kafka.Kafka", "server.properties"]);
    let server = Server::new(folder, &command)?;
    server.start();
    Ok(server)
}

fn java(classes: &Path) -> Command {
    let mut java = Command::new("java");
    java.args([
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Xmx512m",
        "-Dlog4j2.configurationFile=log4j2.xml",
        "-cp",
    ]);
    java.arg(classes);
    java
}

/// The folder with the broker's jars.
fn jars() -> Result<PathBuf, String> {
    installed(&format!("kafka-{VERSION}"), |folder| {
        let work = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
        write(work.path(), "pom.xml", &POM.replace("@VERSION@", VERSION))?;
        let mut output = std::ffi::OsString::from("-DoutputDirectory=");
        output.push(folder);
        run_tool(
            Command::new("mvn")
                .args([
                    "-q",
                    "-B",
                    "-ntp",
                    "dependency:copy-dependencies",
                    "-DincludeScope=runtime",
                ])
                .arg(output)
                .current_dir(work.path()),
            MAVEN,
        )?;
        Ok(())
    })
}

/// 22 characters that are the base64 form of 16 bytes, as Kafka wants them.
fn random_cluster_id() -> String {
    let mut random = rand::rng();
    let mut id: String = (0..21)
        .map(|_| char::from(random.sample(rand::distr::Alphanumeric)))
        .collect();
    // The last character carries two bits only.
    id.push('A');
    id
}

fn write(folder: &Path, name: &str, content: &str) -> Result<(), String> {
    let path = folder.join(name);
    fs::write(&path, content).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
