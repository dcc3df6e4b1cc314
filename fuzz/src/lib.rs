//! What the fuzz targets share: the checks, and an allocator that no input may drive beyond all bounds.

use std::alloc::{GlobalAlloc, Layout, System};

pub mod checks;

/// Inputs have at most a megabyte; nothing in the product is so much larger than what it was made from.
const LARGEST_ALLOCATION: usize = 64 << 20;

struct Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

// SAFETY: every call is the system allocator's own, or none at all.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Ends the process, which is what the fuzzer calls a finding.
fn check(size: usize) {
    if size > LARGEST_ALLOCATION {
        eprintln!("an allocation of {size} bytes");
        std::process::abort();
    }
}
