//! Ports for servers, kept from one start of a server to its next.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};

use rand::RngExt;

/// Below the range from which operating systems take the ports of outgoing connections, so that a stopped
/// server's port is still free when it starts again.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A local TCP port that no other test process takes while this value lives.
pub struct Port {
    number: u16,
    /// Locked: the reservation, which ends with the process at the latest.
    _reservation: File,
}

impl Port {
    /// Reserves a port on which nothing listens.
    pub fn reserve() -> Result<Self, String> {
        let folder = std::env::temp_dir().join("snapback-test-ports");
        fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let mut random = rand::rng();
        for _ in 0..1_000 {
            let number = random.random_range(RANGE);
            let path = folder.join(number.to_string());
            let file = File::create(&path)
                .map_err(|error| format!("cannot create {}: {error}", path.display()))?;
            if file.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self {
                    number,
                    _reservation: file,
                });
            }
        }
        Err(format!("1000 tries found no free port in {RANGE:?}"))
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }
}
