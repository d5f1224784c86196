//! The one place where the node starts threads: those that wait for the disk, which no connection's thread may.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// The node's threads.
#[derive(Debug)]
pub(super) struct Threads {
    stop: Arc<AtomicBool>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Threads {
    /// Starts what writes the log, what reads from it, and what keeps files ready for it.
    pub(super) fn start(writer: Writer, loader: LoaderThread, keeper: Keeper) -> io::Result<Self> {
        let clock = keeper.clock;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let handle = spawn("log", move || write(writer, clock, &stopped))?;
        spawn("loader", move || loader.run())?;
        let stopped = Arc::clone(&stop);
        spawn("keeper", move || keeper.run(&stopped))?;
        Ok(Self { stop, writer: Mutex::new(Some(handle)) })
    }

    /// Ends the writer once everything is on the disk.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        let writer = self.writer.lock().take();
        if let Some(writer) = writer {
            // It ends the process itself where it fails.
            let _ended = writer.join();
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("leveret-{name}")).spawn(work)
}

/// Writes until told to stop, and then what is left. A disk that fails ends the process: no confirm leaves any more.
fn write(mut writer: Writer, clock: Clock, stop: &AtomicBool) {
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let something = writer.wait(if stopping { Duration::ZERO } else { WRITER_PATIENCE });
        let now = Timestamp::ZERO.until(clock.now());
        if let Err(error) = writer.step(now) {
            fail_stop(&error);
        }
        if stopping && !something && writer.is_idle() {
            return;
        }
    }
}
