//! After the commit: every queue is told where its records are now, until none of them holds the old places any more.

use std::collections::BTreeMap;

use super::copy::{Copier, Move};
use super::holders::{Held, Holders};
use crate::store::log::{Log, ReadError};
use crate::store::place::{Extent, FileNumber, Location, QueueKey};

impl Copier {
    /// Tells the queues all moves.
    pub(super) fn tell(&mut self, log: &Log, holders: &dyn Holders) {
        for known in &self.moves {
            let moved = holders.relocate(known.queue, known.from, &known.extents, &known.singles);
            release(log, known.from, moved);
            count_moved(&mut self.targets, known.to, moved);
        }
    }

    /// Asks the queues what they still hold of the files that were emptied, since runs are loaded and cut while nobody
    /// looks, and tells them the place of each record of it. How many messages were left before.
    pub(super) fn tell_the_rest(&mut self, log: &Log, holders: &dyn Holders) -> u64 {
        let mut left = 0;
        let mut at = 0;
        while let Some(first) = self.moves.get(at) {
            let queue = first.queue;
            let of_queue = self.moves.get(at..).unwrap_or_default();
            let of_queue = of_queue.iter().take_while(|known| known.queue == queue).count();
            let moves = self.moves.get(at..at + of_queue).unwrap_or_default();
            let mut sources: Vec<_> = moves.iter().map(|known| known.from).collect();
            sources.sort_unstable();
            sources.dedup();
            for from in sources {
                let held = holders.held(queue, from);
                left += held.len();
                for (to, singles) in places_of(log, queue, &held, moves.iter().filter(|known| known.from == from)) {
                    let moved = holders.relocate(queue, from, &[], &singles);
                    release(log, from, moved);
                    count_moved(&mut self.targets, to, moved);
                }
            }
            at += of_queue;
        }
        left
    }

    /// Takes the count of what the queues did not move, since it was settled, off the new segments.
    pub(super) fn settle_counts(&self, log: &Log) {
        for target in &self.targets {
            release(log, target.number, target.size.records.saturating_sub(target.moved));
        }
    }
}

fn count_moved(targets: &mut [super::copy::Target], number: FileNumber, moved: u64) {
    if let Some(target) = targets.iter_mut().find(|target| target.number == number) {
        target.moved += moved;
    }
}

fn release(log: &Log, file: FileNumber, count: u64) {
    log.release(file, u32::try_from(count).unwrap_or(u32::MAX));
}

/// Where each record of what is held is now, by the file that it is in.
fn places_of<'a>(
    log: &Log,
    queue: QueueKey,
    held: &Held,
    moves: impl Iterator<Item = &'a Move>,
) -> BTreeMap<FileNumber, Vec<(u64, Location)>> {
    let mut places: BTreeMap<FileNumber, Vec<(u64, Location)>> = BTreeMap::new();
    if held.is_empty() {
        return places;
    }
    let wanted = |sequence: u64| {
        held.singles.binary_search_by_key(&sequence, |(held, _)| *held).is_ok()
            || held.extents.iter().any(|extent| contains(extent, sequence))
    };
    for known in moves {
        let singles = known.singles.iter().filter(|(sequence, _)| wanted(*sequence)).copied();
        let mut found: Vec<_> = singles.collect();
        for piece in known.extents.iter().filter(|piece| is_wanted(held, piece)) {
            // What is damaged stays where it is; the queue meets the damage when it reads.
            let _: Result<(), ReadError> = log.read(queue, piece, &mut |sequence, place, _| {
                if wanted(sequence) {
                    found.push((sequence, place));
                }
            });
        }
        if !found.is_empty() {
            places.entry(known.to).or_default().extend(found);
        }
    }
    places.values_mut().for_each(|singles| singles.sort_unstable());
    places
}

fn contains(extent: &Extent, sequence: u64) -> bool {
    sequence.checked_sub(extent.first).is_some_and(|behind| behind < u64::from(extent.count))
}

fn is_wanted(held: &Held, piece: &Extent) -> bool {
    let end = piece.first.saturating_add(u64::from(piece.count));
    let from = held.singles.partition_point(|(sequence, _)| *sequence < piece.first);
    let single = held.singles.get(from).is_some_and(|(sequence, _)| *sequence < end);
    single || held.extents.iter().any(|extent| contains(extent, piece.first) || contains(piece, extent.first))
}
