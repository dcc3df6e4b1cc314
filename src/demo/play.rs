//! The story itself.

use std::{
    thread,
    time::{Duration, Instant, SystemTime},
};

use tokio::runtime::Handle;

use super::{
    Account, CatchUp, DemoError, Ending, Interrupt, Loss, Pipeline, Readings, Scene, Settings,
    account, child,
    processor::{Life, Processor},
    producer::Producer,
    scene::Progress,
    snapshots,
    stage::{ASK, Stage},
    topics, verify,
};
use crate::{
    format::Layout,
    kafka::{Admin, Connection},
    store::Store,
};

/// How often the processor is looked at.
const TICK: Duration = Duration::from_millis(20);
/// When nothing has changed for this long, nothing will.
const STALLED: Duration = Duration::from_secs(60);

/// Tells the whole story, scene by scene. It blocks, with `runtime` for the store.
///
/// # Errors
/// When the story breaks off; no process is left behind. Checks that fail are no error: see [`Account::holds`].
pub fn play(
    settings: &Settings,
    runtime: &Handle,
    interrupt: &Interrupt,
    tell: &mut dyn FnMut(Scene),
) -> Result<Ending, DemoError> {
    let played =
        Stage::prepare(settings, runtime, interrupt, tell).and_then(|stage| stage.run(tell));
    match played {
        // Ctrl-C reaches the children as well: their ends are not the reason.
        Err(error) => {
            thread::sleep(Duration::from_millis(100));
            interrupt.check()?;
            Err(error)
        }
        ending => ending,
    }
}

/// Reads everything that the topics and the store hold, from outside, and compares: the last act of the demo.
///
/// # Errors
/// When topics or store cannot be read at all. A damaged file is a failed check.
pub async fn check(
    connection: &Connection,
    pipeline: &Pipeline,
    store: &Store,
    loaded: u64,
    exactly_once: bool,
) -> Result<(Account, Readings), DemoError> {
    let read = {
        let (connection, pipeline) = (connection.clone(), pipeline.clone());
        tokio::task::spawn_blocking(move || {
            let admin = Admin::connect(&connection, ASK)?;
            topics::read(&connection, &admin, &pipeline)
        })
    };
    let layout = Layout::new(&pipeline.events)?;
    let verified = verify::findings(store, &layout).await;
    let topics = read.await.expect("reading topics does not panic")?;
    let mut partitions = topics.partitions;
    let unreadable = snapshots::read(store, &layout, &mut partitions).await?;
    let readings = Readings {
        loaded,
        exactly_once,
        partitions,
        strangers: topics.strangers,
        unreadable,
        findings: verified,
    };
    Ok((account(&readings), readings))
}

impl Stage<'_> {
    fn run(self, tell: &mut dyn FnMut(Scene)) -> Result<Ending, DemoError> {
        let settings = self.settings;
        let mut processor = self.start("run-1.log", Life::First, tell)?;
        let producer = Producer::start(&self.connection, &self.pipeline, settings)?;
        self.watch(
            &mut processor,
            "half of the events",
            tell,
            || producer.sent(),
            |now| self.is_worst_moment(now, producer.sent()),
        )?;
        let pid = processor.guard.id();
        processor.guard.kill()?;
        let progress = self.observer.progress(producer.sent())?;
        let loss = Loss {
            stored: progress.stored,
            in_memory: progress.in_memory(),
            unsettled: self.observer.unsettled()?,
        };
        tell(Scene::Killed {
            pid,
            progress,
            loss,
        });
        drop(processor);
        let loaded = producer.finish()?;
        tell(Scene::Waiting {
            events: loaded.events.saturating_sub(progress.committed),
        });

        let restarted_at = SystemTime::now();
        let mut processor = self.start("run-2.log", Life::Second, tell)?;
        let (since, before) = (processor.since, progress.committed);
        self.watch(
            &mut processor,
            "the first new commit",
            tell,
            || loaded.events,
            |now| Ok(now.committed > before || before >= loaded.events),
        )?;
        tell(Scene::Recovered {
            after: since.elapsed(),
        });
        self.watch_end(&mut processor, loaded.events, tell)?;
        tell(Scene::Finished {
            after: since.elapsed(),
            similar: processor.words.similar(),
            log: processor.guard.log().to_owned(),
        });
        drop(processor);

        if settings.pause {
            let folder = self.folder.path().to_owned();
            tell(Scene::Pause { folder });
            self.interrupt.check()?;
        }
        tell(Scene::Checking);
        let exactly_once = self.is_exactly_once();
        let (connection, pipeline) = (&self.connection, &self.pipeline);
        let checked = check(
            connection,
            pipeline,
            &self.store,
            loaded.events,
            exactly_once,
        );
        let (account, readings) = self.observer.runtime.block_on(checked)?;
        Ok(Ending {
            catch_up: catch_up(&readings, restarted_at),
            account,
            pipeline: self.pipeline,
            exactly_once,
            loss,
            folder: settings.folder.clone(),
        })
    }

    /// Whether a death would now take committed outcomes out of memory and, at best, catch others between publication and
    /// commit. What changes slowest is looked at last.
    fn is_worst_moment(&self, now: Progress, produced: u64) -> Result<bool, DemoError> {
        if now.is_done() {
            return Ok(true);
        }
        Ok(now.is_time_to_kill()
            && self.observer.unsettled()? > 0
            && self.observer.progress(produced)?.is_time_to_kill())
    }

    /// Looks at the processor until `done` says so.
    fn watch(
        &self,
        processor: &mut Processor,
        what: &'static str,
        tell: &mut dyn FnMut(Scene),
        produced: impl Fn() -> u64,
        done: impl Fn(Progress) -> Result<bool, DemoError>,
    ) -> Result<(), DemoError> {
        let mut patience = Patience::new(what);
        loop {
            self.interrupt.check()?;
            let progress = self.observer.progress(produced())?;
            tell(Scene::Progress(progress));
            processor.tell_news(tell);
            if done(progress)? {
                return Ok(());
            }
            if processor.guard.ended()?.is_some() {
                return Err(processor.guard.ended_early());
            }
            patience.check(progress, &processor.guard)?;
            thread::sleep(TICK);
        }
    }

    /// Looks at the processor until it has ended by itself, as it should.
    fn watch_end(
        &self,
        processor: &mut Processor,
        produced: u64,
        tell: &mut dyn FnMut(Scene),
    ) -> Result<(), DemoError> {
        let mut patience = Patience::new("the processor to finish");
        loop {
            self.interrupt.check()?;
            let status = processor.guard.ended()?;
            let progress = self.observer.progress(produced)?;
            tell(Scene::Progress(progress));
            processor.tell_news(tell);
            match status {
                Some(status) if status.success() => return Ok(()),
                Some(_) => return Err(processor.guard.ended_early()),
                None => {}
            }
            patience.check(progress, &processor.guard)?;
            thread::sleep(TICK);
        }
    }
}

/// Waits as long as something changes.
struct Patience {
    what: &'static str,
    last: Progress,
    since: Instant,
}

impl Patience {
    fn new(what: &'static str) -> Patience {
        Patience {
            what,
            last: Progress::default(),
            since: Instant::now(),
        }
    }

    fn check(&mut self, now: Progress, processor: &child::Guard) -> Result<(), DemoError> {
        if now != self.last {
            (self.last, self.since) = (now, Instant::now());
        } else if self.since.elapsed() > STALLED {
            return Err(DemoError::Stalled {
                what: self.what,
                waited: STALLED,
                words: processor.last_words(),
                log: processor.log().to_owned(),
            });
        }
        Ok(())
    }
}

/// The results that were published since `restart`, and how long that took.
fn catch_up(readings: &Readings, restart: SystemTime) -> Option<CatchUp> {
    let restart = restart
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?
        .as_millis();
    let published = readings.partitions.iter().flat_map(|read| &read.published);
    let times = published.filter_map(|published| u64::try_from(published.timestamp?).ok());
    let (mut results, mut first, mut last) = (0, u64::MAX, 0);
    for time in times.filter(|time| u128::from(*time) >= restart) {
        results += 1;
        (first, last) = (first.min(time), last.max(time));
    }
    let took = Duration::from_millis(last.checked_sub(first)?);
    Some(CatchUp { results, took })
}
