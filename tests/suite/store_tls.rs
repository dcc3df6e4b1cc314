//! A store behind TLS, and behind a proxy: whom a client trusts and through whom it goes is what the environment says.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::outside::{Pipeline, Place};
use crate::support::{Program, S3Server, s3, snapback};

/// A server whose certificate no system trusts.
fn server() -> &'static S3Server {
    static SHARED: LazyLock<S3Server> = LazyLock::new(S3Server::start_with_tls);
    &SHARED
}

/// Twenty events for a store of this server.
fn on(server: &'static S3Server) -> Pipeline {
    let pipeline = Pipeline::new(1, Place::bucket(server));
    pipeline.send_numbers(0, 0..20);
    pipeline
}

fn trusting(program: Program, server: &S3Server) -> Program {
    program.env("AWS_CA_BUNDLE", server.authority())
}

fn verify(pipeline: &Pipeline) -> Program {
    snapback(["verify", "-o", "json", "--events", &pipeline.events])
        .args(pipeline.store_args())
        .envs(pipeline.env())
}

#[test]
fn the_bundle_says_whom_to_trust_and_without_it_a_person_is_told_so() {
    let pipeline = on(server());
    for program in [pipeline.run_to_end(), verify(&pipeline)] {
        let finished = program.run().expect_code(2);
        for part in [
            server().endpoint(),
            "certificate",
            "UnknownIssuer",
            "AWS_CA_BUNDLE",
        ] {
            assert!(
                finished.stderr.contains(part),
                "{part}: {}",
                finished.stderr
            );
        }
    }
    trusting(pipeline.run_to_end(), server())
        .run()
        .expect_code(0);
    let report = trusting(verify(&pipeline), server()).run().expect_code(0);
    let report: Value = serde_json::from_str(&report.stdout).expect("JSON");
    assert_eq!(report["results"], 20, "{report:#}");
}

#[test]
fn an_endpoint_that_does_not_speak_tls_is_named() {
    let pipeline = on(s3());
    let endpoint = s3().endpoint().replacen("http", "https", 1);
    let program = snapback(["verify", "--events", &pipeline.events])
        .args(["--store", &pipeline.store.url(), "--s3-endpoint", &endpoint])
        .envs(pipeline.env());
    let finished = program.run().expect_code(2);
    let said = format!("{endpoint} does not speak this protocol; write it with http://");
    assert!(finished.stderr.contains(&said), "{}", finished.stderr);
}

/// A proxy that makes tunnels (CONNECT), and counts them.
struct Tunnels {
    address: String,
    made: Arc<AtomicU32>,
}

impl Tunnels {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let made = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&made);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                // A connection that ends is no fault.
                std::thread::spawn(move || drop(tunnel(client, &counted)));
            }
        });
        Self { address, made }
    }

    fn made(&self) -> u32 {
        self.made.load(Ordering::SeqCst)
    }
}

fn tunnel(client: TcpStream, counted: &AtomicU32) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let target = line
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.split(' ').next());
    let target = target.ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    while line.trim() != "" {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let server = TcpStream::connect(target)?;
    counted.fetch_add(1, Ordering::SeqCst);
    let (mut back, mut from) = (client, server.try_clone()?);
    back.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let forth = std::thread::spawn(move || {
        let mut server = server;
        let copied = io::copy(&mut reader, &mut server);
        server.shutdown(Shutdown::Write).and(copied)
    });
    io::copy(&mut from, &mut back)?;
    back.shutdown(Shutdown::Write)?;
    drop(forth.join());
    Ok(())
}

#[test]
fn requests_go_through_the_proxy_of_the_environment_unless_their_host_is_excepted() {
    let pipeline = on(server());
    let tunnels = Tunnels::start();
    let excepted = trusting(pipeline.run_to_end(), server())
        .env("HTTPS_PROXY", &tunnels.address)
        .env("NO_PROXY", "127.0.0.1");
    excepted.run().expect_code(0);
    assert_eq!(tunnels.made(), 0);
    let through = trusting(verify(&pipeline), server()).env("HTTPS_PROXY", &tunnels.address);
    through.run().expect_code(0);
    assert!(tunnels.made() > 0);
}

#[test]
fn a_proxy_that_is_not_there_is_named_and_not_the_store_alone() {
    let pipeline = on(server());
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", nobody.local_addr().expect("an address"));
    drop(nobody);
    let program = trusting(verify(&pipeline), server()).env("HTTPS_PROXY", address);
    let finished = program.run().expect_code(3);
    let said = "through the proxy that HTTPS_PROXY names, unless NO_PROXY excepts it";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
}
