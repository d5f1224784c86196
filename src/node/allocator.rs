//! Memory that is free and that the allocator has not given back to the system. mimalloc does so a second after it is freed,
//! but only looks whether that is over when more is freed: which it never is where all publishers are blocked for want of
//! memory, or nobody does anything. (And with several threads it may forget to look at all: what is due for one of its
//! arenas is noted once for all of them, and wiped out by who has just looked.)
#![expect(unsafe_code, reason = "no crate has a safe call for it")]

/// Gives back all that is free, though it may be wanted again at once.
pub(super) fn give_back() {
    // SAFETY: the call has no preconditions: it may be made by any thread at any time, also where mimalloc is not the
    // allocator. It takes no pointer and frees nothing that is in use: of other threads' memory it touches what is free
    // alone, by atomic operations, as every allocation does.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// Whether the system may give memory in pieces of two mebibytes, of which all is in RAM as soon as any of it is used. That makes
/// the broker a twentieth faster and twice as large (measured: 16-byte messages through one queue).
pub(super) fn allow_huge_pages(allowed: bool) {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(!allowed) {
        tracing::debug!("huge pages stay as they are: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_is_in_use_stays_while_threads_allocate_and_free() {
        let work = |thread: usize| {
            for round in 0..200 {
                let kept: Vec<Vec<usize>> = (0..20).map(|size| vec![thread; size * 1000]).collect();
                if round % 10 == thread {
                    give_back();
                }
                assert!(kept.iter().flatten().all(|value| *value == thread));
            }
        };
        thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || work(thread)))));
    }
}
