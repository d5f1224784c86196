//! The store's places as queues know them, and back: the same numbers under the names of either side.

use std::num::NonZeroU32;

use crate::broker::ids::{QueueId, SequenceNumber};
use crate::broker::queue::{Place, Run};
use crate::store::{Extent, FileNumber, Location, QueueKey};

pub(in crate::node) const fn key(queue: QueueId) -> QueueKey {
    QueueKey(queue.0)
}

/// `None` only for a file number that the store does not give.
pub(in crate::node) fn place(location: Location) -> Option<Place> {
    let file = NonZeroU32::new(location.file.0)?;
    Some(Place { file, offset: location.offset, length: location.length })
}

pub(in crate::node) const fn location(place: Place) -> Location {
    Location { file: FileNumber(place.file.get()), offset: place.offset, length: place.length }
}

pub(in crate::node) fn run(extent: Extent) -> Option<Run> {
    Some(Run { first: SequenceNumber(extent.first), count: extent.count, place: place(extent.location)? })
}

pub(in crate::node) const fn extent(run: Run) -> Extent {
    Extent { first: run.first.0, count: run.count, location: location(run.place) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{NUMBER_BITS, number_of};

    #[test]
    fn queues_and_the_store_divide_sequence_numbers_alike() {
        assert_eq!(SequenceNumber::NUMBER_BITS, NUMBER_BITS);
        let sequence = SequenceNumber::in_lane(255, 7);
        assert_eq!((sequence.lane(), sequence.number(), number_of(sequence.0)), (255, 7, 7));
    }
}
