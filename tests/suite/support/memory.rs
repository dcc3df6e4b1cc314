//! The memory of a process, as the system counts it.

/// What it has for itself now, in bytes; `None` when it has ended. The pages of its program's file are not its own: they come in
/// as code runs for the first time, and go when the system needs them.
#[allow(dead_code, reason = "only the soak uses it")]
pub fn resident_memory(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}
