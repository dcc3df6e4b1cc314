//! The memory of a process, as the system counts it.

/// The most that it had, in bytes.
#[track_caller]
pub fn peak_memory(id: u32) -> u64 {
    of_status(id, "VmHWM:")
}

/// What it has now, in bytes.
#[track_caller]
pub fn resident_memory(id: u32) -> u64 {
    of_status(id, "VmRSS:")
}

#[track_caller]
fn of_status(id: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes
        .and_then(|kb| kb.parse::<u64>().ok())
        .expect("a size")
        * 1024
}
