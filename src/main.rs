//! The snapback command.

use std::process::ExitCode;

/// For Rust and for the Kafka client, which is C: threads allocate what others free, millions of times a second, and the C
/// library's own allocator takes a fifth more time for that (docs/adr/0007-allocator.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What the allocator reads when it starts: few parts of the memory, and what is free goes back to the system soon.
#[allow(
    unsafe_code,
    reason = "the allocator is C, and finds its settings by this name"
)]
#[used]
#[unsafe(export_name = "malloc_conf")]
static ALLOCATOR_SETTINGS: Settings =
    Settings(c"narenas:2,dirty_decay_ms:500,muzzy_decay_ms:0".as_ptr());

#[repr(transparent)]
struct Settings(*const std::ffi::c_char);

#[allow(
    unsafe_code,
    reason = "the pointer is to a constant that nobody writes"
)]
// SAFETY: it points to a constant that lives as long as the program.
unsafe impl Sync for Settings {}

fn main() -> ExitCode {
    snapback::cli::main().into()
}
