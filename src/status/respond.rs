//! From a request to an answer: pure.

use hyper::{Method, StatusCode};

use super::{assess, json, metrics, page};
use crate::processor::ProcessView;

const PLAIN: &str = "text/plain; charset=utf-8";

/// The methods that every path takes.
pub(super) const ALLOWED: &str = "GET, HEAD";

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub content_type: &'static str,
    pub body: String,
}

/// Answers a request for `path` with what `look` sees.
pub(super) fn respond(method: &Method, path: &str, look: impl FnOnce() -> ProcessView) -> Answer {
    if method != Method::GET && method != Method::HEAD {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return plain(
            status,
            "there is only GET and HEAD here; nothing can be changed",
        );
    }
    let ok = |content_type, body| Answer {
        status: StatusCode::OK,
        content_type,
        body,
    };
    match path {
        "/" => ok("text/html; charset=utf-8", page::render(&look())),
        "/status" => ok("application/json", json::render(&look())),
        "/metrics" => ok(metrics::CONTENT_TYPE, metrics::render(&look())),
        "/healthz" => {
            let view = look();
            verdict("healthy", assess::alive(&view), &reasons(&view))
        }
        "/readyz" => {
            let view = look();
            verdict("ready", assess::ready(&view), &reasons(&view))
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            "there is /, /status, /metrics, /healthz and /readyz",
        ),
    }
}

/// Why it is degraded, if it is, in a few words.
fn reasons(view: &ProcessView) -> String {
    let found = assess::degraded(view);
    let names: Vec<&str> = found.iter().map(|one| one.reason.as_str()).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!(", but degraded: {}", names.join(", ")),
    }
}

fn verdict(good: &str, verdict: Result<(), String>, reasons: &str) -> Answer {
    match verdict {
        Ok(()) => plain(StatusCode::OK, &format!("{good}{reasons}")),
        Err(why) => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            &format!("not {good}: {why}"),
        ),
    }
}

fn plain(status: StatusCode, line: &str) -> Answer {
    Answer {
        status,
        content_type: PLAIN,
        body: format!("{line}\n"),
    }
}
