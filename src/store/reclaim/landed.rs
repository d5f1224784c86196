//! Whether everything that was appended to a file is in its queue by now, or settled.
//!
//! A message is counted when it is appended and comes to its queue a moment later, under the queue's lock. A file given
//! up in between would take it along. The file is sealed, so that once nothing is on its way, nothing will be.

use std::collections::BTreeSet;
use std::time::Duration;

use super::holders::Holders;
use crate::store::log::Log;
use crate::store::place::{FileNumber, QueueKey};

/// So often in a row the queues are asked, when settles come between.
const ATTEMPTS: usize = 16;
/// What is on its way arrives within microseconds. What has been counted for so long and is in no queue will be in none.
const PATIENCE: Duration = Duration::from_secs(10);

/// A count that the queues could not explain, and since when it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unexplained {
    file: FileNumber,
    live: u64,
    held: u64,
    since: Duration,
}

/// Whether nothing appended to the file is on its way to a queue. `unexplained` is kept between calls.
pub(super) fn all_landed(
    log: &Log,
    holders: &dyn Holders,
    queues: &BTreeSet<QueueKey>,
    file: FileNumber,
    unexplained: &mut Option<Unexplained>,
    now: Duration,
) -> bool {
    let mut asked: Vec<QueueKey> = queues.iter().copied().collect();
    let mut seen = None;
    for _ in 0..ATTEMPTS {
        let before = live(log, file);
        let mut held = 0;
        // Only those that hold something are asked again: counts in a sealed file only fall.
        asked.retain(|queue| {
            let count = holders.held(*queue, file).len();
            held += count;
            count > 0
        });
        // Counts only fall, so that equal counts mean that nothing was released in between; then what is counted is
        // what is held, and what was taken out of a queue or is still to come to one.
        if before != live(log, file) {
            continue;
        }
        if before == held {
            *unexplained = None;
            return true;
        }
        seen = Some((before, held));
    }
    let Some((live, held)) = seen else { return false };
    let same = unexplained.filter(|known| (known.file, known.live, known.held) == (file, live, held));
    let since = same.map_or(now, |known| known.since);
    *unexplained = Some(Unexplained { file, live, held, since });
    now.saturating_sub(since) >= PATIENCE
}

fn live(log: &Log, file: FileNumber) -> u64 {
    log.usage().iter().find(|usage| usage.number == file).map_or(0, |usage| usage.live)
}
