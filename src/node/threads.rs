//! The one place where the node starts threads: those that wait for the disk, which no connection's thread may.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use super::clock::Clock;
use super::fail_stop::fail_stop;
use super::keeper::Keeper;
use super::storage::LoaderThread;
use crate::broker::time::Timestamp;
use crate::store::Writer;

/// How long the writer waits for something to write before it looks whether settles have waited long enough.
const WRITER_PATIENCE: Duration = Duration::from_millis(50);

/// How long the end of a node waits for its keeper, which may be in the middle of moving records on a slow disk.
const KEEPER_PATIENCE: Duration = Duration::from_secs(5);

/// The node's threads that end with it.
#[derive(Debug)]
pub(super) struct Threads {
    keeper: Worker,
    writer: Worker,
}

impl Threads {
    /// Starts what writes the log, what reads from it, and what keeps files ready for it.
    pub(super) fn start(writer: Writer, loader: LoaderThread, keeper: Keeper) -> io::Result<Self> {
        let clock = keeper.clock;
        let writer = Worker::start("log", move |stop| write(writer, clock, stop))?;
        spawn("loader", move || loader.run())?;
        let keeper = Worker::start("keeper", move |stop| keeper.run(stop))?;
        Ok(Self { keeper, writer })
    }

    /// Ends the keeper, and then the writer once everything is on the disk. The keeper first: it may wait for what it has
    /// moved to be written, and must not change the database any more when the node leaves its last word there.
    pub(super) fn stop(&self) {
        if !self.keeper.stop(Some(KEEPER_PATIENCE)) {
            tracing::warn!("the log's keeper has not ended in time; the node ends without it");
        }
        // It ends the process itself where it fails.
        self.writer.stop(None);
    }
}

/// A thread that ends when it is told to.
#[derive(Debug)]
struct Worker {
    stop: Arc<AtomicBool>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    handle: JoinHandle<()>,
    /// Is disconnected when the thread has let go of all it had.
    ended: Receiver<()>,
}

impl Worker {
    /// Whoever works looks at the flag now and then; who parks meanwhile is woken when it is set.
    fn start(name: &str, work: impl FnOnce(&AtomicBool) + Send + 'static) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let (working, ended) = sync_channel(0);
        let handle = spawn(name, move || {
            let _working: SyncSender<()> = working;
            work(&told);
        })?;
        Ok(Self { stop, running: Mutex::new(Some(Running { handle, ended })) })
    }

    /// Tells it to end and waits until it has, for no longer than the patience; `false`: it has not. Nobody waits for
    /// itself, and who calls again finds nothing to wait for.
    fn stop(&self, patience: Option<Duration>) -> bool {
        self.stop.store(true, Ordering::Release);
        let Some(Running { handle, ended }) = self.running.lock().take() else { return true };
        if handle.thread().id() == thread::current().id() {
            return false;
        }
        handle.thread().unpark();
        let late = patience.is_some_and(|patience| ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout));
        if late {
            return false;
        }
        // One that panicked has ended, too.
        let _ended = handle.join();
        true
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("leveret-{name}")).spawn(work)
}

/// Writes until told to stop, and then what is left. A disk that fails ends the process: no confirm leaves any more.
fn write(mut writer: Writer, clock: Clock, stop: &AtomicBool) {
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let now = || Timestamp::ZERO.until(clock.now());
        let until_due = writer.due().map_or(WRITER_PATIENCE, |due| due.saturating_sub(now()));
        let something = writer.wait(if stopping { Duration::ZERO } else { until_due.min(WRITER_PATIENCE) });
        if let Err(error) = writer.step(now()) {
            fail_stop(&error);
        }
        if stopping && !something && writer.is_idle() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn who_was_told_to_stop_has_ended_and_let_go_of_everything() {
        let held = Arc::new(());
        let of_worker = Arc::clone(&held);
        let worker = Worker::start("test", move |stop| {
            let _held = of_worker;
            while !stop.load(Ordering::Acquire) {
                thread::park();
            }
        });
        let worker = worker.unwrap();
        assert!(worker.stop(Some(PATIENCE)));
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(worker.stop(Some(PATIENCE)), "a second time there is nothing to wait for");
    }

    #[test]
    fn who_does_not_end_is_waited_for_no_longer_than_the_patience() {
        let (release, released) = sync_channel(0);
        let worker = Worker::start("test", move |_| released.recv().unwrap()).unwrap();
        assert!(!worker.stop(Some(Duration::from_millis(1))));
        release.send(()).unwrap();
    }

    #[test]
    fn nobody_waits_for_itself() {
        let (give, given) = sync_channel::<Arc<Worker>>(1);
        let (tell, told) = sync_channel(1);
        let worker = Worker::start("test", move |_| tell.send(given.recv().unwrap().stop(None)).unwrap());
        give.send(Arc::new(worker.unwrap())).unwrap();
        assert_eq!(told.recv_timeout(PATIENCE), Ok(false));
    }
}
