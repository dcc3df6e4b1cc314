//! The status of a running snapback, asked for as any program would.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::process::Running;
use super::wait::{eventually, eventually_ok};

const LIMIT: Duration = Duration::from_secs(20);

/// Where a running snapback serves its status.
pub struct Status {
    address: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Status {
    /// Flags with which it is served at any free port.
    pub const ANYWHERE: [&str; 2] = ["--status", "127.0.0.1:0"];

    /// The status of a process that was started with [`Status::ANYWHERE`], as soon as it is served.
    #[track_caller]
    pub fn of(running: &Running) -> Self {
        let address = eventually(LIMIT, "an address in the log", || {
            let log = running.stderr_so_far();
            let (_, rest) = log.split_once("status at http://")?;
            let (address, _) = rest.split_once('/')?;
            Some(address.to_owned())
        });
        Self { address }
    }

    /// The status of a process that was started with `--status 127.0.0.1:PORT`, as soon as it answers.
    #[track_caller]
    pub fn at(port: u16) -> Self {
        let status = Self {
            address: format!("127.0.0.1:{port}"),
        };
        eventually(LIMIT, "somebody who listens", || status.connect().ok());
        status
    }

    /// Its port.
    pub fn port(&self) -> String {
        let (_, port) = self.address.rsplit_once(':').expect("an address");
        port.to_owned()
    }

    /// Sends these bytes, and gives what comes back until the connection ends.
    pub fn exchange(&self, request: &[u8]) -> std::io::Result<String> {
        let mut stream = self.connect()?;
        stream.write_all(request)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// A connection on which nothing has been said.
    pub fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(stream)
    }

    /// Asks for a path.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path)
    }

    /// Asks with any method.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str) -> Answer {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        let answer = self.exchange(request.as_bytes()).expect("an answer");
        Answer::parse(&answer)
    }

    /// What `/status` says.
    #[track_caller]
    pub fn seen(&self) -> Value {
        let answer = self.get("/status");
        assert_eq!(answer.code, 200, "{answer:?}");
        serde_json::from_str(&answer.body).expect("JSON")
    }

    /// Waits until `/status` is as `wanted`, and gives it.
    #[track_caller]
    pub fn wait_until(
        &self,
        limit: Duration,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually_ok(limit, what, || {
            let seen = self.seen();
            if wanted(&seen) {
                Ok(seen)
            } else {
                Err(format!("{seen:#}"))
            }
        })
    }

    /// What a status says about one reason for being degraded.
    pub fn detail<'s>(seen: &'s Value, reason: &str) -> Option<&'s str> {
        let reasons = seen["degraded"].as_array().expect("a list");
        let found = reasons.iter().find(|one| one["reason"] == reason)?;
        Some(found["detail"].as_str().expect("a text"))
    }

    /// One sample of `/metrics`, by its name with its labels.
    #[track_caller]
    pub fn metric(&self, sample: &str) -> f64 {
        let all = self.metrics();
        *all.get(sample)
            .unwrap_or_else(|| panic!("no {sample} in {all:#?}"))
    }

    /// All samples of `/metrics`, by their names with their labels; panics when a line is not in Prometheus' format.
    #[track_caller]
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let answer = self.get("/metrics");
        assert_eq!(answer.code, 200, "{answer:?}");
        let content_type = answer.headers["content-type"].as_str();
        assert!(
            content_type.starts_with("text/plain; version=0.0.4"),
            "{content_type}"
        );
        exposition(&answer.body)
    }
}

impl Answer {
    #[track_caller]
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("an empty line");
        let mut lines = head.lines();
        let first = lines.next().expect("a first line");
        let code = first
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").expect("a header");
            (name.to_ascii_lowercase(), value.to_owned())
        });
        Self {
            code: code.and_then(|code| code.parse().ok()).expect("a status"),
            headers: headers.collect(),
            body: body.to_owned(),
        }
    }
}

/// Reads Prometheus' text format, strictly: every sample belongs to the family before it, which has a help and a type; no
/// sample comes twice; names, labels, escapes and values are as they must be; the last line ends.
#[track_caller]
pub fn exposition(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'), "the last line does not end");
    let mut samples = BTreeMap::new();
    let mut families: Vec<(String, Option<String>)> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help");
            assert!(is_name(name) && !help.is_empty(), "{line}");
            assert!(
                families.iter().all(|(known, _)| known != name),
                "twice: {line}"
            );
            families.push((name.to_owned(), None));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            let last = families.last_mut().expect("a help before the type");
            assert_eq!((last.0.as_str(), &last.1), (name, &None), "{line}");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            last.1 = Some(kind.to_owned());
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = match sample.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').expect("a brace")),
                None => (sample, ""),
            };
            let family = families.last().expect("a family");
            assert!(family.0 == name && family.1.is_some(), "{line}");
            check_labels(labels);
            let value: f64 = value.parse().expect("a number");
            let counts = family.1.as_deref() == Some("counter");
            assert!(value.is_finite() && !(counts && value < 0.0), "{line}");
            let before = samples.insert(sample.to_owned(), value);
            assert_eq!(before, None, "twice: {line}");
        }
    }
    samples
}

fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

#[track_caller]
fn check_labels(mut labels: &str) {
    let mut names = Vec::new();
    while !labels.is_empty() {
        let (name, rest) = labels.split_once("=\"").expect("a label");
        assert!(is_name(name) && !names.contains(&name), "{labels}");
        names.push(name);
        let mut escaped = false;
        let end = rest.char_indices().find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            if escaped {
                assert!(['\\', '"', 'n'].contains(c), "{labels}");
            }
            escaped = *c == '\\' && !escaped;
            ends
        });
        let (end, _) = end.expect("a quote that ends");
        labels = &rest[end + 1..];
        if let Some(more) = labels.strip_prefix(',') {
            assert!(!more.is_empty(), "nothing after a comma");
            labels = more;
        } else {
            assert!(labels.is_empty(), "{labels}");
        }
    }
}
