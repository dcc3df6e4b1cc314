//! The steps, one after the other.

use std::{
    thread,
    time::{Duration, Instant, SystemTime},
};

use tokio::runtime::Handle;

use super::{
    DemoError, Interrupt, Loss, Progress, Settings, Step, Summary, check, child,
    processor::{Processor, Run},
    producer::Producer,
    setup::Setup,
};

/// How often the processor is looked at.
const TICK: Duration = Duration::from_millis(20);
/// When nothing has changed for this long, nothing will.
pub(super) const STALLED: Duration = Duration::from_secs(60);

/// Takes all steps and reports each. It blocks, with `runtime` for the store.
///
/// # Errors
/// When a step fails; no process is left behind. Checks that fail are no error: see [`Checked::holds`](super::Checked::holds).
pub fn run(
    settings: &Settings,
    runtime: &Handle,
    interrupt: &Interrupt,
    report: &mut dyn FnMut(Step),
) -> Result<Summary, DemoError> {
    let ended =
        Setup::prepare(settings, runtime, interrupt, report).and_then(|setup| {
            match settings.damage {
                true => setup.run_damage(report),
                false => setup.run(report),
            }
        });
    match ended {
        // Ctrl-C reaches the children as well: their ends are not the reason.
        Err(error) => {
            thread::sleep(Duration::from_millis(100));
            interrupt.check()?;
            Err(error)
        }
        ended => ended,
    }
}

impl Setup<'_> {
    fn run(self, report: &mut dyn FnMut(Step)) -> Result<Summary, DemoError> {
        let settings = self.settings;
        let mut processor = self.start("run-1.log", Run::First, report)?;
        let producer = Producer::start(&self.connection, &self.pipeline, settings)?;
        self.watch(
            &mut processor,
            "half of the events",
            report,
            || producer.sent(),
            |now| self.is_worst_moment(now, producer.sent()),
        )?;
        let pid = processor.process.id();
        processor.process.kill()?;
        let progress = self.observer.progress(producer.sent())?;
        let loss = Loss {
            stored: progress.stored,
            in_memory: progress.in_memory(),
            unsettled: self.observer.unsettled()?,
        };
        report(Step::Killed {
            pid,
            progress,
            loss,
        });
        drop(processor);
        let loaded = producer.finish()?;
        report(Step::Waiting {
            events: loaded.events.saturating_sub(progress.committed),
        });

        let restarted_at = SystemTime::now();
        let mut processor = self.start("run-2.log", Run::Second, report)?;
        let (since, before) = (processor.since, progress.committed);
        self.watch(
            &mut processor,
            "the first new commit",
            report,
            || loaded.events,
            |now| Ok(now.committed > before || before >= loaded.events),
        )?;
        report(Step::Recovered {
            after: since.elapsed(),
        });
        self.watch_end(&mut processor, loaded.events, report)?;
        report(Step::Finished {
            after: since.elapsed(),
            similar: processor.lines.similar(),
            log: processor.process.log().to_owned(),
        });
        drop(processor);

        if settings.pause {
            let folder = self.folder.path().to_owned();
            report(Step::Pause { folder });
            self.interrupt.check()?;
        }
        report(Step::Checking);
        let checking = check(
            &self.connection,
            &self.pipeline,
            &self.store,
            loaded.events,
            self.is_exactly_once(),
            &settings.task,
            restarted_at,
        );
        let (checked, catch_up) = self.observer.runtime.block_on(checking)?;
        Ok(Summary {
            catch_up,
            checked,
            exactly_once: self.is_exactly_once(),
            pipeline: self.pipeline,
            loss,
            folder: settings.folder.clone(),
            task: settings.task.clone(),
        })
    }

    /// Whether a kill would now take committed outcomes out of memory and, at best, catch others between publication and
    /// commit. What changes slowest is looked at last.
    fn is_worst_moment(&self, now: Progress, produced: u64) -> Result<bool, DemoError> {
        if now.is_done() {
            return Ok(true);
        }
        // Filtered events leave nothing in the topics that could be counted.
        let may_be_filtered = self.settings.task.condition.is_some();
        Ok(now.is_time_to_kill()
            && (may_be_filtered || self.observer.unsettled()? > 0)
            && self.observer.progress(produced)?.is_time_to_kill())
    }

    /// Looks at the processor until `done` says so.
    pub(super) fn watch(
        &self,
        processor: &mut Processor,
        what: &'static str,
        report: &mut dyn FnMut(Step),
        produced: impl Fn() -> u64,
        done: impl Fn(Progress) -> Result<bool, DemoError>,
    ) -> Result<(), DemoError> {
        let mut stalled = StallDetector::new(what);
        loop {
            self.interrupt.check()?;
            let progress = self.observer.progress(produced())?;
            report(Step::Progress(progress));
            processor.report_lines(report);
            if done(progress)? {
                return Ok(());
            }
            if processor.process.ended()?.is_some() {
                return Err(processor.process.ended_early());
            }
            stalled.check(progress, &processor.process)?;
            thread::sleep(TICK);
        }
    }

    /// Looks at the processor until it has ended by itself, as it should.
    fn watch_end(
        &self,
        processor: &mut Processor,
        produced: u64,
        report: &mut dyn FnMut(Step),
    ) -> Result<(), DemoError> {
        let mut stalled = StallDetector::new("the processor to finish");
        loop {
            self.interrupt.check()?;
            let status = processor.process.ended()?;
            let progress = self.observer.progress(produced)?;
            report(Step::Progress(progress));
            processor.report_lines(report);
            match status {
                Some(status) if status.success() => return Ok(()),
                Some(_) => return Err(processor.process.ended_early()),
                None => {}
            }
            stalled.check(progress, &processor.process)?;
            thread::sleep(TICK);
        }
    }
}

/// Waits as long as something changes.
struct StallDetector {
    what: &'static str,
    last: Progress,
    since: Instant,
}

impl StallDetector {
    fn new(what: &'static str) -> StallDetector {
        StallDetector {
            what,
            last: Progress::default(),
            since: Instant::now(),
        }
    }

    fn check(&mut self, now: Progress, processor: &child::ChildProcess) -> Result<(), DemoError> {
        if now != self.last {
            (self.last, self.since) = (now, Instant::now());
        } else if self.since.elapsed() > STALLED {
            return Err(DemoError::Stalled {
                what: self.what,
                waited: STALLED,
                lines: processor.last_lines(),
                log: processor.log().to_owned(),
            });
        }
        Ok(())
    }
}
