//! A proxy in front of an S3 server that misbehaves by a seeded script: what comes between a program and its store.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// What may become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 503, and the server never sees it.
    Unavailable,
    /// The connection ends before the server sees it.
    Reset,
    /// The server does it, and the answer is 500.
    DoneButFailed,
    /// The server does it, and the connection ends without an answer.
    DoneButLost,
    /// The connection ends; the server does it a little later.
    Late,
    /// The server sees half of the body.
    Torn,
    /// The answer comes late.
    Slow,
    /// The answer to a list is the one of the time before.
    StaleList,
}

const FAULTS: [Fault; 8] = [
    Fault::Unavailable,
    Fault::Reset,
    Fault::DoneButFailed,
    Fault::DoneButLost,
    Fault::Late,
    Fault::Torn,
    Fault::Slow,
    Fault::StaleList,
];

/// How the proxy behaves.
#[derive(Clone, Debug)]
pub enum Mode {
    /// As if it were not there.
    Honest,
    /// So many of a hundred requests meet a fault.
    Faulty { percent: u32 },
    /// Nobody answers.
    Down,
    /// Every request is answered like this: a status line and an S3 error code.
    Answering(&'static str, &'static str),
    /// What must not be overwritten seems to be.
    Overwriting,
}

/// A proxy; it ends with the value.
pub struct Proxy {
    endpoint: String,
    shared: Arc<Shared>,
}

struct Shared {
    server: String,
    mode: Mutex<Mode>,
    random: Mutex<StdRng>,
    met: Mutex<BTreeMap<Fault, u32>>,
    requests: Mutex<BTreeMap<&'static str, u64>>,
    lists: Mutex<BTreeMap<String, Vec<u8>>>,
    ended: AtomicBool,
}

/// A request as it came.
struct Request {
    /// Method, target and version.
    line: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Proxy {
    /// In front of the server at `endpoint` (`http://host:port`).
    pub fn before(endpoint: &str, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            server: endpoint.trim_start_matches("http://").to_owned(),
            mode: Mutex::new(Mode::Honest),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            met: Mutex::default(),
            requests: Mutex::default(),
            lists: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.ended.load(Ordering::Relaxed) {
                    return;
                }
                let serving = Arc::clone(&accepting);
                if let Ok(client) = client {
                    // A connection that ends in an error is what this is for.
                    std::thread::spawn(move || drop(serving.serve(client)));
                }
            }
        });
        Self {
            endpoint: format!("http://{address}"),
            shared,
        }
    }

    /// `http://host:port`, as in `--s3-endpoint`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn set(&self, mode: Mode) {
        *lock(&self.shared.mode) = mode;
    }

    /// The faults that requests met so far.
    pub fn met(&self) -> BTreeMap<Fault, u32> {
        lock(&self.shared.met).clone()
    }

    /// The requests that came so far, by their kind.
    pub fn requests(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.shared.requests).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // The thread that accepts looks up.
        let _ = TcpStream::connect(self.endpoint.trim_start_matches("http://"));
    }
}

impl Shared {
    /// One request; every answer ends its connection.
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        if matches!(*lock(&self.mode), Mode::Down) {
            return client.shutdown(Shutdown::Both);
        }
        let request = Request::read(&mut client)?;
        *lock(&self.requests).entry(request.kind()).or_default() += 1;
        let mode = lock(&self.mode).clone();
        let fault = match mode {
            Mode::Down => return client.shutdown(Shutdown::Both),
            Mode::Answering(status, code) => return answer(&mut client, status, code),
            Mode::Overwriting => {
                let honest = self.ask(&request)?;
                return if honest.starts_with(b"HTTP/1.1 412") {
                    client.write_all(b"HTTP/1.1 200 OK\r\nETag: \"0\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                } else {
                    client.write_all(&honest)
                };
            }
            Mode::Honest => None,
            Mode::Faulty { percent } => self.choose(percent, &request),
        };
        if let Some(fault) = fault {
            *lock(&self.met).entry(fault).or_default() += 1;
        }
        match fault {
            None => client.write_all(&self.ask(&request)?),
            Some(Fault::Unavailable) => answer(&mut client, "503 Service Unavailable", "SlowDown"),
            Some(Fault::Reset) => client.shutdown(Shutdown::Both),
            Some(Fault::DoneButFailed) => {
                self.ask(&request)?;
                answer(&mut client, "500 Internal Server Error", "InternalError")
            }
            Some(Fault::DoneButLost) => {
                self.ask(&request)?;
                client.shutdown(Shutdown::Both)
            }
            Some(Fault::Late) => {
                client.shutdown(Shutdown::Both)?;
                let pause = lock(&self.random).random_range(100..3_000);
                std::thread::sleep(Duration::from_millis(pause));
                self.ask(&request).map(drop)
            }
            Some(Fault::Torn) => {
                let mut server = TcpStream::connect(&self.server)?;
                let half = request.body.len() / 2;
                server.write_all(request.head().as_bytes())?;
                server.write_all(&request.body[..half])?;
                server.shutdown(Shutdown::Both)?;
                client.shutdown(Shutdown::Both)
            }
            Some(Fault::Slow) => {
                let pause = lock(&self.random).random_range(100..2_000);
                std::thread::sleep(Duration::from_millis(pause));
                client.write_all(&self.ask(&request)?)
            }
            Some(Fault::StaleList) => {
                let before = lock(&self.lists).get(&request.line).cloned();
                let answer = before.map_or_else(|| self.ask(&request), Ok)?;
                client.write_all(&answer)
            }
        }
    }

    fn choose(&self, percent: u32, request: &Request) -> Option<Fault> {
        let mut random = lock(&self.random);
        if random.random_range(0..100) >= percent {
            return None;
        }
        let fault = FAULTS[random.random_range(0..FAULTS.len())];
        match fault {
            Fault::StaleList if request.kind() != "LIST" => Some(Fault::Slow),
            Fault::Torn if request.body.is_empty() => Some(Fault::Reset),
            other => Some(other),
        }
    }

    /// The server's whole answer.
    fn ask(&self, request: &Request) -> io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(&self.server)?;
        server.set_read_timeout(Some(Duration::from_secs(30)))?;
        server.write_all(request.head().as_bytes())?;
        server.write_all(&request.body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        if request.line.contains("list-type=2") {
            lock(&self.lists).insert(request.line.clone(), answer.clone());
        }
        Ok(answer)
    }
}

impl Request {
    fn read(client: &mut TcpStream) -> io::Result<Self> {
        client.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut bytes = Vec::new();
        let mut part = [0; 16 * 1024];
        let head = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            match client.read(&mut part)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => bytes.extend_from_slice(&part[..read]),
            }
        };
        let mut body = bytes.split_off(head + 4);
        let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
        let mut lines = text.split("\r\n").map(str::to_owned);
        let line = lines.next().unwrap_or_default();
        let headers: Vec<String> = lines
            .filter(|header| !header.to_ascii_lowercase().starts_with("connection:"))
            .collect();
        let length = headers
            .iter()
            .filter_map(|header| header.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(Ok(0), |(_, length)| length.trim().parse::<usize>())
            .map_err(io::Error::other)?;
        while body.len() < length {
            match client.read(&mut part)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => body.extend_from_slice(&part[..read]),
            }
        }
        Ok(Self {
            line,
            headers,
            body,
        })
    }

    /// As S3 bills it.
    fn kind(&self) -> &'static str {
        match self.line.split(' ').next() {
            Some("GET") if self.line.contains("list-type=2") => "LIST",
            Some("GET") => "GET",
            Some("HEAD") => "HEAD",
            Some("DELETE") => "DELETE",
            Some("PUT") => "PUT",
            _ => "another",
        }
    }

    /// The head, asking the server to end the connection with its answer.
    fn head(&self) -> String {
        format!(
            "{}\r\n{}\r\nConnection: close\r\n\r\n",
            self.line,
            self.headers.join("\r\n")
        )
    }
}

fn answer(client: &mut TcpStream, status: &str, code: &str) -> io::Result<()> {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes())?;
    client.write_all(body.as_bytes())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
