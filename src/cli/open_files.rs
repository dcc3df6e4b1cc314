//! How many files the process may have open: as many as the system lets it, and never so few that starting fails halfway.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What starting takes: the three standard streams, the runtime, its signals, a client's first connections.
const FEWEST: u64 = 16;

/// Too few to start with.
#[derive(Debug, thiserror::Error)]
#[error(
    "this process may have {0} files open, and needs {FEWEST} to start; raise the limit (ulimit -n, LimitNOFILE=)"
)]
pub struct TooFewFiles(u64);

/// Raises the soft limit to the hard one, as the soft one is kept low for programs that wait with `select`.
///
/// # Errors
///
/// Fails when even the hard limit is too low to start.
pub fn allow() -> Result<(), TooFewFiles> {
    let limit = getrlimit(Resource::Nofile);
    if let Some(wanted) = raised(limit) {
        // What may not be raised stays as it is, and may be enough.
        let _kept = setrlimit(Resource::Nofile, wanted);
    }
    match getrlimit(Resource::Nofile).current {
        Some(files) if files < FEWEST => Err(TooFewFiles(files)),
        _ => Ok(()),
    }
}

/// The limit to ask for; `None` when it is as high as it can be.
fn raised(limit: Rlimit) -> Option<Rlimit> {
    let Rlimit { current, maximum } = limit;
    let is_lower = match (current, maximum) {
        (Some(current), Some(maximum)) => current < maximum,
        (Some(_), None) => true,
        (None, _) => false,
    };
    is_lower.then_some(Rlimit {
        current: maximum,
        maximum,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soft_limit_is_raised_to_the_hard_one() {
        let limit = |current, maximum| Rlimit { current, maximum };
        for (given, wanted) in [
            (
                limit(Some(64), Some(1024)),
                Some(limit(Some(1024), Some(1024))),
            ),
            (limit(Some(64), None), Some(limit(None, None))),
            (limit(Some(1024), Some(1024)), None),
            (limit(None, None), None),
        ] {
            assert_eq!(raised(given), wanted);
        }
    }
}
