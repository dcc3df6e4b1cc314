//! Where the memory of `--memory` goes (I8): a fixed share for each of librdkafka's queues, the rest for outcomes.

/// How many bytes each part of one worker may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Events fetched ahead, librdkafka's overhead included.
    pub fetch_queue: u64,
    /// Results and rejects not yet acknowledged, librdkafka's overhead included.
    pub publish_queue: u64,
    /// Outcomes in buffers above which the largest are snapshotted before their interval.
    pub snapshot_above: u64,
    /// Outcomes in buffers and in snapshots under way above which consumption pauses.
    pub pause_above: u64,
}

impl Budget {
    /// The smallest `--memory` for each worker: below it, queues would be too short to work.
    pub const SMALLEST: u64 = 32 << 20;

    /// Divides `memory` bytes among `workers` workers.
    ///
    /// Encoding needs room beside the buffers: a snapshot under way holds its rows until they are encoded, and
    /// its Parquet file (about a quarter of them) until it is stored. So half of the memory is for outcomes, a
    /// quarter for queues, and a quarter stays free for what the allocator and the process itself need.
    #[must_use]
    pub fn of_worker(memory: u64, workers: usize) -> Budget {
        let own = memory / workers.max(1) as u64;
        Budget {
            fetch_queue: own / 8,
            publish_queue: own / 8,
            snapshot_above: own / 5,
            pause_above: own / 2,
        }
    }
}

/// Has the C library keep less of the memory that is freed (I8).
///
/// By default it keeps the places of blocks as large as those that were freed before, which the next ones fit badly: messages
/// of a megabyte then take more than twice the memory that is used for them. And it gives each thread a part of the memory for
/// itself, up to eight for each core, so that what a process occupies grows for an hour. With `workers` threads that
/// allocate much, a few parts are as fast.
#[cfg(target_env = "gnu")]
#[allow(
    unsafe_code,
    reason = "the C library, which the Kafka client uses too, has no safe interface for this"
)]
pub(super) fn keep_little(workers: usize) {
    /// Just below the largest message that a broker takes by default.
    const LARGE: libc::c_int = 1_000_000;
    let parts = libc::c_int::try_from(workers + 1).unwrap_or(libc::c_int::MAX);
    // SAFETY: `mallopt` takes two numbers and may be called at any time from any thread.
    let set = unsafe {
        [
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE),
            libc::mallopt(libc::M_ARENA_MAX, parts),
        ]
    };
    if set.contains(&0) {
        tracing::debug!("the allocator does not take all of its settings");
    }
}

/// Other C libraries have no such habits.
#[cfg(not(target_env = "gnu"))]
pub(super) fn keep_little(_workers: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_all_workers_fit_into_the_memory_given() {
        for workers in 1..9 {
            let part = Budget::of_worker(256 << 20, workers);
            let all = part.fetch_queue + part.publish_queue + part.pause_above;
            assert!(all * workers as u64 <= (256 << 20) * 3 / 4);
            assert!(part.snapshot_above < part.pause_above);
        }
    }
}
