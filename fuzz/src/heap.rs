//! Counts the octets that the code under test holds. Only what is allocated inside `counted` counts, wherever it is
//! freed. One thread is assumed to do all the work.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The allocator that a fuzz target installs to have its octets counted.
#[derive(Debug)]
pub struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static HELD: AtomicUsize = AtomicUsize::new(0);

/// In front of each allocation stands how many octets were counted for it.
const HEAD: usize = 16;

/// Runs `work` and counts what it allocates.
pub fn counted<T>(work: impl FnOnce() -> T) -> T {
    ON.store(true, Ordering::Relaxed);
    let result = work();
    ON.store(false, Ordering::Relaxed);
    result
}

/// Octets that were counted and are not freed yet.
#[must_use]
pub fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

fn with_head(layout: Layout) -> Option<Layout> {
    Layout::from_size_align(layout.size().checked_add(HEAD)?, HEAD).ok()
}

// SAFETY: memory comes from `System`. Every allocation aligned to at most `HEAD` is made `HEAD` octets longer and
// handed out behind them, so that the size and the alignment asked for hold; `dealloc` gets the same layout by contract,
// takes the same branch and gives the whole allocation back.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > HEAD {
            // SAFETY: the caller's promises are `System`'s.
            return unsafe { System.alloc(layout) };
        }
        let Some(whole) = with_head(layout) else { return std::ptr::null_mut() };
        // SAFETY: `whole` is not empty.
        let start = unsafe { System.alloc(whole) };
        if start.is_null() {
            return start;
        }
        let counts = if ON.load(Ordering::Relaxed) { layout.size() } else { 0 };
        HELD.fetch_add(counts, Ordering::Relaxed);
        // SAFETY: there are `HEAD` octets, aligned to `HEAD`, in front of what is handed out.
        unsafe {
            start.cast::<usize>().write(counts);
            start.add(HEAD)
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let whole = if layout.align() > HEAD { None } else { with_head(layout) };
        let Some(whole) = whole else {
            // SAFETY: `alloc` took it from `System` as it is.
            return unsafe { System.dealloc(pointer, layout) };
        };
        // SAFETY: `alloc` handed out what stands `HEAD` octets behind the start, with the count in front.
        unsafe {
            let start = pointer.sub(HEAD);
            HELD.fetch_sub(start.cast::<usize>().read(), Ordering::Relaxed);
            System.dealloc(start, whole);
        }
    }
}
