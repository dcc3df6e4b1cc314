//! The steps on the terminal, as they happen: on standard error, because the summary goes to standard output.

use std::{
    io::{self, IsTerminal as _},
    sync::mpsc,
    thread,
    time::Duration,
};

use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::paint::Paint;
use crate::{
    demo::{Cluster, Damage, Interrupt, Loss, Progress, Step},
    load::Malformed,
    telemetry,
};

/// Prints steps.
pub(super) struct Printer {
    paint: Paint,
    bars: Option<Bars>,
    screen: MultiProgress,
    again: bool,
    exactly_once: bool,
    loss: Loss,
    interrupt: Interrupt,
}

struct Bars {
    produced: ProgressBar,
    committed: ProgressBar,
    stored: ProgressBar,
}

impl Printer {
    pub(super) fn new(interrupt: Interrupt) -> Printer {
        let terminal = io::stderr().is_terminal();
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Printer {
            paint: Paint::new(terminal),
            bars: None,
            screen: MultiProgress::with_draw_target(target),
            again: false,
            exactly_once: false,
            loss: Loss::default(),
            interrupt,
        }
    }

    pub(super) fn print(&mut self, step: Step) {
        match step {
            Step::Progress(progress) => self.progress(progress),
            other => {
                let lines = self.lines(&other);
                if !matches!(other, Step::Logged { .. }) {
                    self.clear();
                }
                for line in lines {
                    self.say(&line);
                }
                if let Step::Pause { .. } = other {
                    wait_for_enter(&self.interrupt);
                }
            }
        }
    }

    /// Takes the bars away.
    pub(super) fn clear(&mut self) {
        if let Some(bars) = self.bars.take() {
            for bar in [bars.produced, bars.committed, bars.stored] {
                bar.finish_and_clear();
            }
        }
    }

    fn say(&self, line: &str) {
        if self.screen.is_hidden() {
            telemetry::say(line);
        } else {
            // There is nobody to tell that the terminal cannot be written to.
            let _ = self.screen.println(line);
        }
    }

    fn progress(&mut self, progress: Progress) {
        if self.screen.is_hidden() {
            return;
        }
        let bars = self
            .bars
            .get_or_insert_with(|| Bars::new(&self.screen, progress.total));
        bars.produced.set_position(progress.produced);
        bars.committed.set_position(progress.committed);
        bars.stored.set_position(progress.stored);
    }

    fn lines(&mut self, step: &Step) -> Vec<String> {
        let paint = self.paint;
        let title =
            |name: &str, text: String| format!("{} {text}", paint.strong(&format!("{name:<10}")));
        let more = |text: String| format!("           {text}");
        match step {
            Step::Prepared {
                folder,
                cluster,
                brokers,
                pipeline,
                partitions,
                events,
                rate,
            } => {
                let broker = match cluster {
                    Cluster::Embedded => {
                        format!("an embedded one at {brokers}, in a process of its own")
                    }
                    Cluster::Existing { .. } => brokers.clone(),
                };
                let promise = match cluster {
                    Cluster::Embedded => {
                        "It has no transactions, so delivery is at-least-once.".to_owned()
                    }
                    Cluster::Existing { .. } => {
                        format!(
                            "Topics {}, {}, {}; they stay.",
                            pipeline.events, pipeline.results, pipeline.rejects
                        )
                    }
                };
                self.exactly_once = *cluster != Cluster::Embedded;
                let ways = Malformed::ALL.len();
                vec![
                    title("Folder", folder.display().to_string()),
                    title("Broker", broker),
                    more(promise),
                    title(
                        "Producer",
                        format!(
                            "{} numbers for topic {}, {partitions} partitions, {} a second; some are malformed, in {ways} ways",
                            HumanCount(*events),
                            pipeline.events,
                            HumanCount(*rate)
                        ),
                    ),
                ]
            }
            Step::Started {
                again,
                pid,
                command,
            } => {
                self.again = *again;
                let text = format!("{command}   {}", paint.faint(&format!("(process {pid})")));
                vec![title("Processor", text)]
            }
            Step::Killed {
                pid,
                progress,
                loss,
            } => {
                self.loss = *loss;
                let mut lines = vec![
                    paint.bad(&format!("{:<10} {pid}", "kill -9")),
                    more(format!(
                        "{} outcomes were published and committed, {} of them are in snapshots.",
                        HumanCount(progress.committed),
                        HumanCount(loss.stored)
                    )),
                    more(paint.strong(&format!(
                        "{} outcomes were in the processor's memory only, and are gone.",
                        HumanCount(loss.in_memory)
                    ))),
                ];
                if loss.unsettled > 0 {
                    let unsettled = HumanCount(loss.unsettled);
                    lines.push(more(if self.exactly_once {
                        format!("{unsettled} more were in an open transaction: nobody will ever see them.")
                    } else {
                        format!("{unsettled} more were published, but not committed: they will be published twice.")
                    }));
                }
                lines
            }
            Step::Waiting { events } => vec![more(format!(
                "Meanwhile the producer has finished: {} events wait to be processed.",
                HumanCount(*events)
            ))],
            Step::Logged { level, text } => {
                let calm = matches!(level.as_deref(), Some("INFO" | "DEBUG" | "TRACE"));
                if calm && !self.again {
                    return Vec::new();
                }
                let line = format!("│ {text}");
                let line = if calm {
                    paint.faint(&line)
                } else {
                    paint.strong(&line)
                };
                vec![more(line)]
            }
            Step::Recovered { after } => vec![more(format!(
                "The snapshots gave back {} outcomes, {} were replayed from the log; back at work {} after the start.",
                HumanCount(self.loss.stored),
                HumanCount(self.loss.in_memory),
                seconds(*after)
            ))],
            Step::Finished {
                after,
                similar,
                log,
            } => {
                let mut lines = Vec::new();
                if *similar > 0 {
                    let text = format!("│ and {similar} lines like these: {}", log.display());
                    lines.push(more(paint.faint(&text)));
                }
                lines.push(more(format!(
                    "Everything is processed and in snapshots {} after the start.",
                    seconds(*after)
                )));
                lines
            }
            Step::Stored { outcomes } => vec![more(format!(
                "{} outcomes are published and in snapshots.",
                HumanCount(*outcomes)
            ))],
            Step::Damaged(Damage::FlippedByte {
                path, at, bytes, ..
            }) => vec![
                paint.bad(&format!("{:<10} a bit of {path}", "Damage")),
                more(format!(
                    "flipped at byte {} of {}.",
                    HumanCount(*at as u64),
                    HumanCount(*bytes as u64)
                )),
            ],
            Step::Damaged(Damage::WrongValue {
                path, key, was, is, ..
            }) => vec![
                paint.bad(&format!(
                    "{:<10} the result of {key} is {is} now, it was {was}",
                    "Damage"
                )),
                more(format!(
                    "in {path}; every digest and every manifest agrees with it, as if a defective program had written it."
                )),
            ],
            Step::Mended { after } => vec![more(paint.strong(&format!(
                "Found and mended by the running processor, {} after it was done.",
                seconds(*after)
            )))],
            Step::Corrected { key, published } => {
                let mut lines = vec![more(format!(
                    "Published for {key}, the last one as a correction:"
                ))];
                lines.extend(published.iter().map(|value| more(format!("  {value}"))));
                lines
            }
            Step::Pause { folder } => vec![
                title(
                    "Your turn",
                    format!(
                        "change or remove any file in {}; it will be found.",
                        folder.display()
                    ),
                ),
                more("Press Enter to run the checks.".to_owned()),
            ],
            Step::Checking => vec![title(
                "Checks",
                "everything is read again from outside: all topics, all snapshots".to_owned(),
            )],
            Step::Progress(_) => Vec::new(),
        }
    }
}

impl Bars {
    fn new(screen: &MultiProgress, total: u64) -> Bars {
        let bar = |name: &'static str| {
            #[expect(
                clippy::expect_used,
                reason = "a constant that every use of the command parses"
            )]
            let style =
                ProgressStyle::with_template("           {prefix:<12} {bar:40} {human_pos:>9}")
                    .expect("the template is valid")
                    .progress_chars("━╸ ");
            screen.add(ProgressBar::new(total).with_style(style).with_prefix(name))
        };
        Bars {
            produced: bar("produced"),
            committed: bar("published"),
            stored: bar("in snapshots"),
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Returns at Enter, at the end of the input, or when the demo is interrupted.
fn wait_for_enter(interrupt: &Interrupt) {
    let (sender, entered) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = io::stdin().read_line(&mut line);
        let _ = sender.send(());
    });
    while !interrupt.is_raised() {
        match entered.recv_timeout(Duration::from_millis(50)) {
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            _ => return,
        }
    }
}
