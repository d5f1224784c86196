//! Which files the log consists of, and in which order: the one with the highest number is the last, and each says where
//! the content before it ends. Numbers that this passes over are void: a recovery copied their content.

use std::collections::BTreeMap;
use std::path::Path;

use super::discover::FoundSlot;
use super::error::{Damage, DamageKind, OpenError};
use super::tail::Tail;
use super::tolerance::Tolerance;
use crate::store::checkpoint::Checkpoint;
use crate::store::format::{CONTENT_START, FileHeader};
use crate::store::log::Slot;
use crate::store::options::Options;
use crate::store::place::{FileNumber, Position};

/// The files of the log in order, and the slots that are none.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) files: Vec<ChainFile>,
    pub(super) free: Vec<Slot>,
    /// Above every number that a slot holds or held.
    pub(super) next_number: FileNumber,
}

/// A file of the log.
#[derive(Debug)]
pub(super) struct ChainFile {
    pub(super) slot: Slot,
    pub(super) header: FileHeader,
    /// Where its content ends, which the next file says; of the last one nothing does.
    pub(super) end: Option<u32>,
}

impl ChainFile {
    pub(super) fn damage(&self, offset: u32, kind: DamageKind) -> Damage {
        let position = Some(Position::new(self.header.number, offset));
        Damage { path: self.slot.path.clone(), position, offset: u64::from(offset), kind, lost: None }
    }
}

impl Chain {
    /// Puts the slots in order, back to the first file of the checkpoint. Of a file that is missing `passes` tells whether
    /// it may be.
    pub(super) fn link(
        found: Vec<FoundSlot>,
        checkpoint: &Checkpoint,
        passes: &mut dyn FnMut(FileNumber) -> Result<(), OpenError>,
    ) -> Result<Self, OpenError> {
        let first = checkpoint.first_file;
        let last_number = found.iter().filter_map(|slot| slot.header).map(|header| header.number).max();
        let expected =
            if first > FileNumber(1) { checkpoint.reached.file().max(first) } else { checkpoint.reached.file() };
        let next_number = last_number.max(Some(checkpoint.reached.file())).filter(|number| number.0 > 0);
        let next_number = next_number.map_or(first, |number| FileNumber(number.0.saturating_add(1)).max(first));
        let (mut by_number, mut free) = by_number(found, first)?;
        let mut files: Vec<ChainFile> = Vec::new();
        let mut next = by_number.last_key_value().map(|(number, _)| (*number, None));
        if next.map_or(FileNumber(0), |(number, _)| number) < expected {
            passes(expected)?;
        }
        while let Some((number, end)) = next {
            let Some((slot, header)) = by_number.remove(&number) else {
                passes(number)?;
                // Where the file before ends nobody tells.
                next = by_number.range(..number).next_back().map(|(before, _)| (*before, None));
                continue;
            };
            let file = ChainFile { slot, header, end };
            let before = header.previous_end;
            if before.file() >= number || (before.file().0 > 0 && before.offset() < CONTENT_START) {
                return Err(file.damage(0, DamageKind::Order).into());
            }
            files.push(file);
            next = (before.file() >= first && before.file().0 > 0).then_some((before.file(), Some(before.offset())));
        }
        files.reverse();
        free.extend(by_number.into_values().map(|(slot, _)| slot));
        Ok(Self { files, free, next_number })
    }

    /// Where the log ends, and each file before the last, if the next one does not say so.
    pub(super) fn find_ends(
        &mut self,
        options: &Options,
        tolerance: Tolerance<'_>,
        reached: Position,
        damage: &mut Vec<Damage>,
    ) -> Result<Option<Tail>, OpenError> {
        let mut examine = |file: &ChainFile| Tail::examine(file, options, tolerance, reached, damage);
        let Some((last, before)) = self.files.split_last_mut() else { return Ok(None) };
        for file in before.iter_mut().filter(|file| file.end.is_none()) {
            file.end = Some(examine(file)?.end);
        }
        examine(last).map(Some)
    }
}

/// What a missing file is told of as.
pub(super) fn missing(directory: &Path, number: FileNumber) -> Damage {
    let position = Some(Position::new(number, 0));
    Damage { path: directory.to_owned(), position, offset: 0, kind: DamageKind::Missing(number), lost: None }
}

type ByNumber = BTreeMap<FileNumber, (Slot, FileHeader)>;

/// The slots that hold a file of the log, and those that are free.
fn by_number(found: Vec<FoundSlot>, first: FileNumber) -> Result<(ByNumber, Vec<Slot>), OpenError> {
    let mut files = ByNumber::new();
    let mut free = Vec::new();
    for FoundSlot { slot, header } in found {
        match header.filter(|header| header.number >= first) {
            Some(header) => {
                let path = slot.path.clone();
                // The next number has to be one of the log, too; no server comes that far.
                let beyond = FileNumber(header.number.0.saturating_add(1)).is_segment();
                if beyond || files.insert(header.number, (slot, header)).is_some() {
                    let position = Some(Position::new(header.number, 0));
                    return Err(Damage { path, position, offset: 0, kind: DamageKind::Order, lost: None }.into());
                }
            }
            None => free.push(slot),
        }
    }
    Ok((files, free))
}
