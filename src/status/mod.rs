//! What a running processor shows to people, to Prometheus, and to whoever restarts it, over HTTP.
//!
//! In: a [`Board`](crate::processor::Board), on which the processor puts plain values a few times a second. Out: answers to
//! GET and HEAD, made of those values by pure functions, away from the data path:
//!
//! | path | |
//! |---|---|
//! | `/` | a page for people; it loads nothing from anywhere |
//! | `/status` | the same as JSON |
//! | `/metrics` | the same for Prometheus |
//! | `/healthz` | 503 only when a worker has shown no life for a minute |
//! | `/readyz` | 503 with the reason until everything that this process owns is recovered |
//!
//! Nothing can be changed here, and nothing secret is shown. Requests are bounded in size, time and number.

mod assess;
mod json;
mod metrics;
mod page;
mod respond;
mod server;
#[cfg(test)]
mod tests;

pub use server::{StatusError, listen, run};
