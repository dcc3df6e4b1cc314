//! The second story, `--damage`: what is stored is damaged while the processor runs, which finds and mends it by itself.

use std::{
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    DemoError, Loss, Step, Summary, check,
    damaged::{Damage, Kind},
    processor::{Processor, Run},
    producer::Producer,
    setup::Setup,
    steps::STALLED,
    topics,
};
use crate::history::load_tail;

/// How often it is looked at what is stored, and at what is published.
const LOOK: Duration = Duration::from_millis(200);
/// How long the processor may take to end.
const END: Duration = Duration::from_secs(60);

impl Setup<'_> {
    pub(super) fn run_damage(self, report: &mut dyn FnMut(Step)) -> Result<Summary, DemoError> {
        let began = SystemTime::now();
        let mut processor = self.start("run-1.log", Run::Scrubbing, report)?;
        let producer = Producer::start(&self.connection, &self.pipeline, self.settings)?;
        self.watch(
            &mut processor,
            "everything to be in snapshots",
            report,
            || producer.sent(),
            |now| Ok(now.stored >= now.total),
        )?;
        let loaded = producer.finish()?;
        report(Step::Stored {
            outcomes: loaded.events,
        });
        for kind in [Kind::FlippedByte, Kind::WrongValue] {
            let damaged = self.observer.runtime.block_on(self.damage(kind))?;
            let Some(damage) = damaged else { continue };
            let since = Instant::now();
            report(Step::Damaged(damage.clone()));
            self.await_mended(&mut processor, &damage, report)?;
            report(Step::Mended {
                after: since.elapsed(),
            });
            if let Damage::WrongValue { key, .. } = &damage {
                let published = self.await_corrected(&mut processor, key, report)?;
                report(Step::Corrected {
                    key: key.clone(),
                    published,
                });
            }
        }
        processor.process.terminate()?;
        let until = Instant::now() + END;
        while processor.process.ended()?.is_none() && Instant::now() < until {
            self.interrupt.check()?;
            thread::sleep(LOOK / 10);
        }
        processor.report_lines(report);
        if !processor
            .process
            .ended()?
            .is_some_and(|status| status.success())
        {
            return Err(processor.process.ended_early());
        }
        drop(processor);
        report(Step::Checking);
        let checking = check(
            &self.connection,
            &self.pipeline,
            &self.store,
            loaded.events,
            self.is_exactly_once(),
            &self.settings.task,
            began,
        );
        let (checked, catch_up) = self.observer.runtime.block_on(checking)?;
        Ok(Summary {
            catch_up,
            checked,
            exactly_once: self.is_exactly_once(),
            pipeline: self.pipeline,
            loss: Loss::default(),
            folder: self.settings.folder.clone(),
            task: self.settings.task.clone(),
        })
    }

    /// Waits until no manifest lists the damaged file any more.
    fn await_mended(
        &self,
        processor: &mut Processor,
        damage: &Damage,
        report: &mut dyn FnMut(Step),
    ) -> Result<(), DemoError> {
        let (partition, path) = damage.place();
        self.await_that(processor, "the damage to be mended", report, || {
            let (store, layout) = (&self.observer.store, &self.observer.layout);
            let tail = self
                .observer
                .runtime
                .block_on(load_tail(store, layout, partition))?;
            Ok(tail.newest.filter(|newest| !newest.open.lists(path)))
        })?;
        Ok(())
    }

    /// Waits until the correction of a result is in the topic; returns all that was published for it.
    fn await_corrected(
        &self,
        processor: &mut Processor,
        key: &str,
        report: &mut dyn FnMut(Step),
    ) -> Result<Vec<String>, DemoError> {
        self.await_that(processor, "the correction", report, || {
            let results = &self.pipeline.results;
            let published =
                topics::published(&self.connection, &self.observer.admin, results, key)?;
            Ok(Some(published).filter(|published| published.len() > 1))
        })
    }

    fn await_that<T>(
        &self,
        processor: &mut Processor,
        what: &'static str,
        report: &mut dyn FnMut(Step),
        look: impl Fn() -> Result<Option<T>, DemoError>,
    ) -> Result<T, DemoError> {
        let since = Instant::now();
        loop {
            self.interrupt.check()?;
            processor.report_lines(report);
            if let Some(found) = look()? {
                processor.report_lines(report);
                return Ok(found);
            }
            if processor.process.ended()?.is_some() {
                return Err(processor.process.ended_early());
            }
            if since.elapsed() > STALLED {
                return Err(DemoError::Stalled {
                    what,
                    waited: STALLED,
                    lines: processor.process.last_lines(),
                    log: processor.process.log().to_owned(),
                });
            }
            thread::sleep(LOOK);
        }
    }
}
