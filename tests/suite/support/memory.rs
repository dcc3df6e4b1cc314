//! The memory of a process, as the system counts it.

/// The most that it had, in bytes.
#[track_caller]
pub fn peak_memory(id: u32) -> u64 {
    of_status(id, "VmHWM:").expect("a running process")
}

/// What it has now, in bytes; `None` when it has ended.
pub fn resident_memory(id: u32) -> Option<u64> {
    of_status(id, "VmRSS:")
}

fn of_status(id: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}
