//! The end of the log. What does not verify there is either a write that the crash cut short, which is cut off, or damage
//! to what had been made durable, which is refused; the durable positions in frames and headers tell which.
//!
//! Whatever no frame calls durable is then copied, since after a failed sync the system may show bytes that the disk
//! never got.

use super::RecoveryReport;
use super::chain::{Chain, ChainFile};
use super::error::{Damage, DamageKind, OpenError};
use super::frames::Scan;
use super::replay::Replay;
use super::tolerance::Tolerance;
use crate::store::format::{CONTENT_START, FRAME_HEADER, FileHeader, FrameHeader};
use crate::store::log::{Slot, Slots};
use crate::store::options::Options;
use crate::store::place::Position;

/// Copied bytes gather to this much before they are written.
const PIECE: usize = 1 << 20;

/// Where the log's last file ends.
#[derive(Debug)]
pub(super) struct Tail {
    /// Behind the last frame that counts.
    pub(super) end: u32,
    /// Behind the last one with records, where the log said that it ended: idle seals may come behind.
    pub(super) content_end: u32,
    /// From where its frames are copied.
    pub(super) copy_from: u32,
}

/// The file that the log goes on in.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) slot: Slot,
    pub(super) end: Position,
}

impl Tail {
    /// Finds the end of the last file. The log is known to have been durable up to `reached`, and more is known from what
    /// is in the file.
    pub(super) fn examine(
        last: &ChainFile,
        options: &Options,
        tolerance: Tolerance<'_>,
        reached: Position,
        damage: &mut Vec<Damage>,
    ) -> Result<Self, OpenError> {
        let mut scan = Scan::new(last, tolerance)?;
        let mut durable = last.header.previous_end;
        let (mut end, mut content_end) = (CONTENT_START, CONTENT_START);
        while let Some(frame) = scan.verify(u32::MAX)? {
            durable = durable.max(frame.durable);
            let has_records = frame.records > 0;
            scan.pass(frame)?;
            end = scan.offset;
            content_end = if has_records { end } else { content_end };
        }
        // What is known of later files says nothing of where this one ends.
        let reached = Some(reached).filter(|reached| reached.file() == last.header.number).unwrap_or_default();
        let witness = witness_beyond(&mut scan, durable.max(last.header.durable).max(reached))?;
        if witness <= Position::new(last.header.number, end) {
            return Ok(Self { end, content_end, copy_from: copy_from(last, durable, options) });
        }
        let found = last.damage(end, DamageKind::Frame);
        if !tolerance.allows(&found) {
            return Err(found.into());
        }
        // All of a damaged file is copied, so that the next start does not meet the damage again.
        while scan.next(u32::MAX, damage)?.is_some() {
            end = scan.offset;
        }
        Ok(Self { end, content_end: end, copy_from: CONTENT_START })
    }
}

/// The highest durable position that a frame behind the end tells of, torn or not: headers verify by themselves.
fn witness_beyond(scan: &mut Scan<'_>, mut witness: Position) -> Result<Position, OpenError> {
    let mut from = scan.offset.saturating_add(8);
    while let Some(frame) = scan.search(from)? {
        witness = witness.max(frame.durable);
        from = frame.position.offset().saturating_add(8);
    }
    Ok(witness)
}

/// From the durable position; but all of a file in which little is durable, so that restarts do not use up files, and all
/// of one of which no frame says that a sync of it came back: its header may not have lasted either.
fn copy_from(last: &ChainFile, durable: Position, options: &Options) -> u32 {
    let little = CONTENT_START + options.file_size / 16;
    if durable <= Position::new(last.header.number, little) { CONTENT_START } else { durable.offset() }
}

/// Copies the tail into a file of its own, where the log goes on. The header comes last: until it is there, the file
/// does not count. Also gives the slot of the last file when nothing of it is left to be used.
pub(super) fn rewrite(
    chain: &mut Chain,
    tail: Option<&Tail>,
    slots: &Slots,
    replay: &mut Replay<'_>,
    (options, tolerance): (&Options, Tolerance<'_>),
    report: &mut RecoveryReport,
) -> Result<(Current, Option<Slot>), OpenError> {
    let slot = take_slot(slots, options)?;
    let io = |operation| {
        let path = slot.path.clone();
        move |source| OpenError::io(&path, operation, source)
    };
    let previous_end = previous_end(chain, tail);
    let mut copy = Copy {
        slot: &slot,
        salt: slots.salt(chain.next_number),
        previous_end,
        end: Position::new(chain.next_number, CONTENT_START),
        piece: Vec::new(),
    };
    if let Some((last, tail)) = chain.files.last().zip(tail) {
        let mut scan = Scan::new(last, tolerance)?;
        scan.offset = tail.copy_from;
        while let Some((frame, body)) = scan.next(tail.end, &mut report.damage)? {
            if frame.records > 0 {
                let position = copy.frame(&frame, body)?;
                let replayed = replay.frame(&frame, position, body);
                replayed.map_err(|_| last.damage(frame.position.offset(), DamageKind::Record))?;
                report.count(&frame);
            }
        }
    }
    copy.write()?;
    let (end, salt) = (copy.end, copy.salt);
    report.copied = u64::from(end.offset() - CONTENT_START);
    slot.file.sync().map_err(io("sync"))?;
    let header = FileHeader { number: end.file(), salt, previous_end, durable: end };
    slot.file.write_at(0, &[&header.page()]).map_err(io("write"))?;
    slot.file.sync().map_err(io("sync"))?;
    let superseded = chain.files.pop_if(|last| previous_end.file() < last.header.number);
    Ok((Current { slot, end }, superseded.map(|file| file.slot)))
}

/// Where the content before the copy ends.
fn previous_end(chain: &Chain, tail: Option<&Tail>) -> Position {
    match chain.files.last().zip(tail) {
        None => Position::default(),
        Some((last, tail)) if tail.copy_from == CONTENT_START => last.header.previous_end,
        Some((last, tail)) => Position::new(last.header.number, tail.copy_from),
    }
}

/// A free slot, filled with zeros beforehand if it has to be made.
fn take_slot(slots: &Slots, options: &Options) -> Result<Slot, OpenError> {
    let io = |source| OpenError::io(&options.directory, "make a log file", source);
    slots.prepare(0, 1).map_err(io)?;
    slots.take().map_err(io)
}

/// Frames on their way into the new file.
struct Copy<'a> {
    slot: &'a Slot,
    salt: u64,
    previous_end: Position,
    end: Position,
    piece: Vec<u8>,
}

impl Copy<'_> {
    /// Takes a frame; where it begins now.
    fn frame(&mut self, frame: &FrameHeader, body: &[u8]) -> Result<Position, OpenError> {
        let position = self.end;
        let moved = FrameHeader { position, durable: self.previous_end, ..*frame };
        self.piece.extend_from_slice(&moved.encode(self.salt));
        self.piece.extend_from_slice(body);
        let end = position.offset().saturating_add(FRAME_HEADER).saturating_add(frame.body_length);
        self.end = Position::new(position.file(), end);
        if self.piece.len() >= PIECE {
            self.write()?;
        }
        Ok(position)
    }

    fn write(&mut self) -> Result<(), OpenError> {
        let start = u64::from(self.end.offset()) - self.piece.len() as u64;
        let written = self.slot.file.write_at(start, &[&self.piece]);
        self.piece.clear();
        written.map_err(|source| OpenError::io(&self.slot.path, "write", source))
    }
}
