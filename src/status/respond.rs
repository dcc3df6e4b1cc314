//! From a request to an answer: pure.

use std::net::IpAddr;

use hyper::{Method, StatusCode};

use super::{assess, json, metrics, page};
use crate::{processor::ProcessView, telemetry};

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
        "/metrics" => ok(
            metrics::CONTENT_TYPE,
            metrics::render(&look(), telemetry::dropped_lines()),
        ),
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

/// The answer to whoever calls this machine by a name that is not its own.
pub(super) fn elsewhere() -> Answer {
    plain(
        StatusCode::MISDIRECTED_REQUEST,
        "at this address only localhost and 127.0.0.1 are served; for others: snapback run --status 0.0.0.0:PORT",
    )
}

/// Whether the value of a Host header is a name of the machine itself, whatever the port.
pub(super) fn is_local(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    let (name, port) = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').unwrap_or((bracketed, "")),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = port.strip_prefix(':').unwrap_or(port);
    let address = name.parse::<IpAddr>();
    port.chars().all(|c| c.is_ascii_digit())
        && (name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback()))
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

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_names_of_the_machine_itself_are_local() {
        for host in [
            "localhost",
            "LOCALHOST:9464",
            "127.0.0.1",
            "127.0.0.1:9464",
            "127.1.2.3:1",
            "[::1]:9464",
            "[::1]",
        ] {
            assert!(is_local(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:9464",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1:9464",
            "[::2]",
            "localhost:x",
            "localhost:80@evil",
            "::1",
        ] {
            assert!(!is_local(host.as_bytes()), "{host}");
        }
        assert!(!is_local(b"\xff"));
    }
}
