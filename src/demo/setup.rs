//! What the demo runs in: the folder, the broker, and the observer of both.

use std::time::Duration;

use tokio::runtime::Handle;

use super::{
    Cluster, DemoError, Folder, Interrupt, Pipeline, Settings, Step, broker::DemoBroker,
    observe::Observer,
};
use crate::{
    format::Layout,
    kafka::{Admin, Connection, GroupWatch},
    store::{Store, StoreConfig, StoreUrl},
};

/// How long a question to the broker may take.
pub(super) const ASK: Duration = Duration::from_secs(15);

/// Everything that the steps need.
pub(super) struct Setup<'a> {
    pub(super) settings: &'a Settings,
    pub(super) interrupt: &'a Interrupt,
    pub(super) folder: Folder,
    pub(super) connection: Connection,
    pub(super) pipeline: Pipeline,
    pub(super) store: Store,
    pub(super) observer: Observer,
    /// The last to be dropped: everything else talks to it.
    _broker: Option<DemoBroker>,
}

impl<'a> Setup<'a> {
    pub(super) fn prepare(
        settings: &'a Settings,
        runtime: &Handle,
        interrupt: &'a Interrupt,
        report: &mut dyn FnMut(Step),
    ) -> Result<Setup<'a>, DemoError> {
        let folder = Folder::take(&settings.folder)?;
        let (pipeline, broker, brokers, properties) = match &settings.cluster {
            Cluster::Embedded => {
                let pipeline = Pipeline::named(None);
                let topics = [&pipeline.events, &pipeline.results, &pipeline.rejects];
                let topics = topics.map(String::clone);
                let log = folder.log("broker.log");
                let partitions = settings.partitions;
                let broker =
                    DemoBroker::start(&settings.program, &topics, partitions, log, interrupt)?;
                let address = broker.address.clone();
                (pipeline, Some(broker), address, Vec::new())
            }
            Cluster::Existing {
                brokers,
                properties,
                unique,
            } => {
                let pipeline = Pipeline::named(Some(unique));
                (pipeline, None, brokers.clone(), properties.clone())
            }
        };
        let connection = Connection::new(&brokers, properties, "snapback-demo")?;
        let admin = Admin::connect(&connection, ASK)?;
        if broker.is_none() {
            admin.create_topic(&pipeline.events, settings.partitions, &[])?;
        }
        let config = StoreConfig::new(StoreUrl::Local(folder.path().to_owned()));
        let store = runtime.block_on(Store::open(&config))?;
        let observer = Observer {
            admin,
            pipeline: pipeline.clone(),
            exactly_once: settings.cluster != Cluster::Embedded,
            group: GroupWatch::open(&connection, &pipeline.group, &pipeline.events)?,
            store: store.clone(),
            layout: Layout::new(&pipeline.events)?,
            partitions: settings.partitions,
            runtime: runtime.clone(),
            total: settings.events,
        };
        report(Step::Prepared {
            folder: folder.path().to_owned(),
            cluster: settings.cluster.clone(),
            brokers,
            pipeline: pipeline.clone(),
            partitions: settings.partitions,
            events: settings.events,
            rate: settings.rate,
        });
        Ok(Setup {
            settings,
            interrupt,
            folder,
            connection,
            pipeline,
            store,
            observer,
            _broker: broker,
        })
    }

    pub(super) fn is_exactly_once(&self) -> bool {
        self.settings.cluster != Cluster::Embedded
    }
}
