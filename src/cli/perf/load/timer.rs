//! A timer that wakes a publisher within microseconds. The runtime's own has a tick of a millisecond, which would be part of every
//! latency at a fixed rate.

use std::future::pending;
use std::io;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The system's timer is a descriptor that becomes readable, as a pipe's end does; the runtime's other way to wait for one
/// (`AsyncFd`) needs unsafe code.
#[derive(Debug)]
pub(super) struct Timer(pipe::Receiver);

impl Timer {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        pipe::Receiver::from_owned_fd_unchecked(timerfd_create(TimerfdClockId::Monotonic, flags)?).map(Self)
    }

    /// Ends after so many nanoseconds; without a number never. A new call takes the place of one that was given up.
    pub(super) async fn wait(&self, nanos: Option<u64>) -> io::Result<()> {
        let Some(nanos) = nanos else {
            return pending().await;
        };
        // A timer of zero never ends.
        let nanos = nanos.max(1);
        let value = Timespec {
            tv_sec: i64::try_from(nanos / NANOS_PER_SECOND).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanos % NANOS_PER_SECOND).unwrap_or_default(),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        loop {
            self.0.readable().await?;
            match self.0.try_read(&mut [0; 8]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read.map(drop),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::perf::clock::Clock;

    #[test]
    fn waits_as_long_as_asked_also_after_a_wait_that_was_given_up() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let timer = Timer::new().unwrap();
            let clock = Clock::start();
            tokio::select! {
                biased;
                _ = timer.wait(Some(1)) => panic!("it has just begun"),
                () = std::future::ready(()) => {}
            }
            timer.wait(Some(3_000_000)).await.unwrap();
            assert!(clock.nanos() >= 3_000_000);
        });
    }
}
