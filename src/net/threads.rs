//! The runtime's threads: which of them have nothing to do, and how a busy connection shares its own with others.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use tokio::runtime::Builder;

/// Threads of the runtime that wait for something to do.
static IDLE: AtomicUsize = AtomicUsize::new(0);

/// Has a runtime count its idle threads.
pub fn count_idle(runtime: &mut Builder) {
    runtime.on_thread_park(|| {
        IDLE.fetch_add(1, Ordering::Relaxed);
    });
    runtime.on_thread_unpark(|| {
        IDLE.fetch_sub(1, Ordering::Relaxed);
    });
}

/// Lets others go on, above all those that have just been woken.
///
/// As a rule this task comes after all of them: a publisher that is served after consumers finds short queues. That keeps it
/// on its thread, too, which whom it wakes shares. So where another thread has nothing to do, it is left to that one.
pub(super) async fn give_way() {
    if IDLE.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    } else {
        hand_over().await;
    }
}

/// Puts this task into its thread's queue, where idle threads look for work. What yields is in no queue until its thread is
/// done with all else.
async fn hand_over() {
    let mut woken = false;
    poll_fn(|context| {
        if std::mem::replace(&mut woken, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use tokio::sync::Notify;

    use super::*;

    /// Some ten seconds of them.
    const LOOKS: u32 = 20_000_000;

    /// Keeps the thread until something holds; whether it does.
    fn spin_until(holds: impl Fn() -> bool) -> bool {
        (0..LOOKS).any(|_| {
            std::thread::yield_now();
            holds()
        })
    }

    #[test]
    fn a_task_that_is_handed_over_goes_on_though_whom_it_woke_keeps_its_thread() {
        let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let (wake, gone_on) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let keeps_the_thread = runtime.spawn({
            let (wake, gone_on) = (Arc::clone(&wake), Arc::clone(&gone_on));
            async move {
                wake.notified().await;
                spin_until(|| gone_on.load(Ordering::Relaxed))
            }
        });
        runtime.spawn(async move {
            wake.notify_one();
            hand_over().await;
            gone_on.store(true, Ordering::Relaxed);
        });
        assert!(runtime.block_on(keeps_the_thread).unwrap());
    }

    #[test]
    fn threads_without_work_are_counted_while_they_have_none() {
        let mut builder = Builder::new_multi_thread();
        count_idle(builder.worker_threads(2));
        let runtime = builder.build().unwrap();
        assert!(spin_until(|| IDLE.load(Ordering::Relaxed) == 2));
        let end = Arc::new(AtomicBool::new(false));
        let busy = runtime.spawn({
            let end = Arc::clone(&end);
            async move { spin_until(|| end.load(Ordering::Relaxed)) }
        });
        assert!(spin_until(|| IDLE.load(Ordering::Relaxed) == 1));
        end.store(true, Ordering::Relaxed);
        assert!(runtime.block_on(busy).unwrap());
        assert!(spin_until(|| IDLE.load(Ordering::Relaxed) == 2));
    }
}
