//! Listening, and bounds for whoever asks.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use super::respond::{ALLOWED, elsewhere, is_local, respond};
use crate::{config::StatusAddress, processor::Board};

/// Connections at a time.
const MOST_CONNECTIONS: usize = 32;
/// From the connection to the end of the request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// From the connection to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const LARGEST_HEAD: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;
/// Before the next attempt when the system gives no connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The status cannot be served where it was asked for.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot serve the status at {address}: {source}; choose another address with --status HOST:PORT, or none with --status off"
)]
pub struct StatusError {
    /// The address.
    address: String,
    /// Why.
    source: io::Error,
}

/// Listens where the settings say. Where nobody chose the address, and it cannot be had, the process goes without: it may be
/// the second one on its host.
///
/// # Errors
/// When somebody chose the address, and it cannot be had.
pub async fn listen(setting: &StatusAddress) -> Result<Option<TcpListener>, StatusError> {
    let address = match setting {
        StatusAddress::Off => return Ok(None),
        StatusAddress::Default(address) | StatusAddress::Chosen(address) => address,
    };
    let found = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        io::Result::Ok((listener, address))
    };
    match (found.await, setting) {
        (Ok((listener, address)), _) => {
            tracing::info!("status at http://{address}/");
            Ok(Some(listener))
        }
        (Err(error), StatusAddress::Default(_)) => {
            tracing::warn!(
                "there is no status page, because {address} cannot be had ({error}); give this process an address of its own with --status HOST:PORT, or --status off"
            );
            Ok(None)
        }
        (Err(source), _) => Err(StatusError {
            address: address.clone(),
            source,
        }),
    }
}

/// Answers questions about what is on `board` until `shutdown`.
pub async fn run(listener: TcpListener, board: Board, shutdown: impl Future<Output = ()>) {
    // Who can reach only this machine's own address is on this machine, or is a page in a browser on it that has made up a name
    // for the address.
    let only_local = listener
        .local_addr()
        .is_ok_and(|address| address.ip().is_loopback());
    let mut open = Connections::default();
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    let asked = Arc::new(AtomicBool::new(false));
                    let served = serve(stream, from, board.clone(), only_local, Arc::clone(&asked));
                    open.add(served, asked).await;
                }
                Err(error) => {
                    tracing::debug!("a connection to the status could not be taken: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = shutdown => {}
    }
}

/// The connections that are open, the oldest first.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    open: VecDeque<(AbortHandle, Arc<AtomicBool>)>,
}

impl Connections {
    /// Serves one more. When there are too many, the oldest on which nothing was asked gives way; when something was asked on
    /// all of them, one of them ends soon.
    async fn add(
        &mut self,
        served: impl Future<Output = ()> + Send + 'static,
        asked: Arc<AtomicBool>,
    ) {
        self.open.retain(|(task, _)| !task.is_finished());
        if self.open.len() >= MOST_CONNECTIONS {
            let idle = |(_, asked): &(AbortHandle, Arc<AtomicBool>)| !asked.load(Ordering::Relaxed);
            match self.open.iter().position(idle) {
                Some(oldest) => {
                    if let Some((task, _)) = self.open.remove(oldest) {
                        task.abort();
                    }
                }
                None => _ = self.tasks.join_next().await,
            }
        }
        // Whatever has ended is not kept.
        while self.tasks.try_join_next().is_some() {}
        self.open.push_back((self.tasks.spawn(served), asked));
    }
}

/// One connection, one request.
async fn serve(
    stream: TcpStream,
    from: SocketAddr,
    board: Board,
    only_local: bool,
    asked: Arc<AtomicBool>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let host = request
            .headers()
            .get(header::HOST)
            .map(HeaderValue::as_bytes);
        let answer = match only_local && !host.is_none_or(is_local) {
            true => elsewhere(),
            false => respond(request.method(), request.uri().path(), || board.look()),
        };
        let mut response = Response::new(Full::new(Bytes::from(answer.body)));
        *response.status_mut() = answer.status;
        set_headers(response.headers_mut(), answer.content_type);
        if answer.status == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = HeaderValue::from_static(ALLOWED);
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a request for the status from {from} failed: {error}"),
        Err(_) => tracing::debug!("a request for the status from {from} took too long"),
    }
}

fn set_headers(headers: &mut HeaderMap, content_type: &'static str) {
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, content_type);
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    );
}
