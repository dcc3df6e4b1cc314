//! Serving a source's client: what it reports becomes events for the owner.

use std::{mem, sync::Arc, time::Duration};

use rdkafka::{
    Message,
    consumer::Consumer,
    error::{KafkaError as NativeError, RDKafkaErrorCode as Code},
};

use super::{Source, SourceEvent};
use crate::{
    kafka::{codes::is_refusal, context::Rebalance, error::Failure, fault::Fault, raw},
    model::Partition,
};

impl Source {
    pub(super) fn serve_marking_lost(&mut self) {
        let before = self.events.len();
        self.drain();
        for event in &mut self.events[before..] {
            if let SourceEvent::Revoked(partitions) = event {
                *event = SourceEvent::Lost(mem::take(partitions));
            }
        }
    }

    /// Serves the consumer's queue until it is empty, or a rebalance has come (the next one comes only after its answer).
    pub(super) fn drain(&mut self) {
        let consumer = Arc::clone(&self.consumer);
        loop {
            match consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => self.stray(Partition(message.partition())),
                Some(Err(error)) => self.trouble(&error),
                None if raw::waiting(&consumer) == 0 => break,
                None => {}
            }
        }
        while let Some(rebalance) = self.consumer.context().next_rebalance() {
            self.events.push(match &rebalance {
                Rebalance::Assigned(partitions) => SourceEvent::Assigned(partitions.clone()),
                Rebalance::Revoked {
                    partitions,
                    lost: true,
                } => SourceEvent::Lost(partitions.clone()),
                Rebalance::Revoked { partitions, .. } => SourceEvent::Revoked(partitions.clone()),
                Rebalance::Failed(text) => SourceEvent::Trouble { text: text.clone() },
            });
            // The client pauses all partitions meanwhile.
            self.held.values_mut().for_each(|held| held.repeats = true);
            if !matches!(rebalance, Rebalance::Failed(_)) {
                self.pending = Some(rebalance);
            }
        }
    }

    /// A message in the consumer's own queue, where none should be: fetch it again through the partition's.
    fn stray(&mut self, partition: Partition) {
        let Some(next) = self
            .held
            .get(&partition)
            .filter(|held| !held.dead)
            .map(|held| held.next)
        else {
            return;
        };
        tracing::debug!(%partition, "a message came through the consumer's own queue");
        let again = self.split(partition).and_then(|queue| {
            if let Some(held) = self.held.get_mut(&partition) {
                held.queue = queue;
            }
            self.seek(partition, next)
        });
        if let Err(error) = again {
            if let Some(held) = self.held.get_mut(&partition) {
                held.dead = true;
            }
            self.events.push(SourceEvent::Unreadable {
                partition,
                offset: next,
                fault: Fault::passing(error.to_string()),
            });
        }
    }

    fn trouble(&mut self, error: &NativeError) {
        let fatal = self.consumer.client().fatal_error();
        let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
        if let Some((code, reason)) = fatal {
            self.events.push(if code == Code::FencedInstanceId {
                let instance = self.config.instance_id.clone().unwrap_or_default();
                SourceEvent::Fenced { instance }
            } else {
                let failure = Failure {
                    text: reason,
                    fatal: true,
                    ..Failure::of(code)
                };
                SourceEvent::Fatal(self.failed("go on consuming", failure))
            });
        } else if self.consumer.context().is_news(&format!("event {code:?}")) {
            self.events.push(match (is_refusal(code), remedy(code)) {
                (true, remedy) => {
                    let text = format!("{code}{}", remedy.unwrap_or_default());
                    let failure = Failure {
                        text,
                        ..Failure::of(code)
                    };
                    let doing = format!("join the group {}", self.config.group);
                    SourceEvent::Refused(self.failed(doing, failure))
                }
                (false, Some(remedy)) => SourceEvent::Trouble {
                    text: format!("{code}{remedy}"),
                },
                (false, None) => SourceEvent::Trouble {
                    text: self
                        .consumer
                        .context()
                        .why()
                        .unwrap_or_else(|| code.to_string()),
                },
            });
        }
    }
}

/// What helps when the group's coordinator answers a member with this.
fn remedy(code: Code) -> Option<&'static str> {
    match code {
        Code::InconsistentGroupProtocol => Some(
            "; another member of the group divides the partitions in another way, as most programs do that are not snapback. Stop it, or choose another --group",
        ),
        Code::InvalidSessionTimeout => Some(
            "; the broker takes other session timeouts, from its group.min.session.timeout.ms to its group.max.session.timeout.ms: give one of them with -X session.timeout.ms=...",
        ),
        Code::GroupAuthorizationFailed => Some("; the user of snapback needs READ on the group"),
        _ => None,
    }
}
