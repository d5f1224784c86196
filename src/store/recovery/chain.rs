//! Which files the log consists of, and in which order: the one with the highest number is the last, and each says where
//! the content before it ends. Numbers that this passes over are void: a recovery copied their content.

use std::collections::BTreeMap;

use super::discover::FoundSlot;
use super::error::{Damage, DamageKind, OpenError};
use crate::store::format::{CONTENT_START, FileHeader};
use crate::store::log::Slot;
use crate::store::place::FileNumber;

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
        Damage { path: self.slot.path.clone(), offset: u64::from(offset), kind, lost: None }
    }
}

impl Chain {
    /// Puts the slots in order, back to file `first`.
    pub(super) fn link(found: Vec<FoundSlot>, first: FileNumber) -> Result<Self, OpenError> {
        let last_number = found.iter().filter_map(|slot| slot.header).map(|header| header.number).max();
        let next_number = last_number.map_or(first, |number| FileNumber(number.0.saturating_add(1)).max(first));
        let (mut by_number, mut free) = by_number(found, first)?;
        let mut files: Vec<ChainFile> = Vec::new();
        let mut next = by_number.last_key_value().map(|(number, _)| (*number, None));
        if next.is_none() && first > FileNumber(1) {
            return Err(OpenError::Missing(first));
        }
        while let Some((number, end)) = next {
            let (slot, header) = by_number.remove(&number).ok_or(OpenError::Missing(number))?;
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
                    return Err(Damage { path, offset: 0, kind: DamageKind::Order, lost: None }.into());
                }
            }
            None => free.push(slot),
        }
    }
    Ok((files, free))
}
