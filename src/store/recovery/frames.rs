//! Reading frames one behind the other, through a window that moves over the file.

use super::chain::ChainFile;
use super::error::{Damage, DamageKind, Lost, OpenError};
use super::tolerance::Tolerance;
use crate::store::format::{CONTENT_START, FRAME_HEADER, FrameHeader};
use crate::store::log::read_fully;
use crate::store::place::Position;

/// Bytes read at once; more only for a frame that is longer.
const WINDOW: u64 = 1 << 20;

/// A walk over the frames of a file.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    file: &'a ChainFile,
    tolerance: Tolerance<'a>,
    length: u64,
    window: Vec<u8>,
    window_start: u64,
    /// Where the next frame is.
    pub(super) offset: u32,
}

impl<'a> Scan<'a> {
    /// From the first frame on.
    pub(super) fn new(file: &'a ChainFile, tolerance: Tolerance<'a>) -> Result<Self, OpenError> {
        let length = file.slot.file.len().map_err(|source| OpenError::io(&file.slot.path, "measure", source))?;
        let length = length.min(u64::from(u32::MAX));
        Ok(Self { file, tolerance, length, window: Vec::new(), window_start: 0, offset: CONTENT_START })
    }

    /// The next frame of content that ends at `end`, all of which was durable. A frame that does not verify is an error,
    /// or, when that is tolerated, noted and passed over.
    pub(super) fn next(
        &mut self,
        end: u32,
        damage: &mut Vec<Damage>,
    ) -> Result<Option<(FrameHeader, &[u8])>, OpenError> {
        while self.offset < end {
            if let Some(frame) = self.verify(end)? {
                return self.pass(frame).map(Some);
            }
            let found = self.file.damage(self.offset, DamageKind::Frame);
            if !self.tolerance.allows(&found) {
                return Err(found.into());
            }
            let lost = self.skip(end)?;
            damage.push(Damage { lost, ..found });
        }
        Ok(None)
    }

    /// Goes to the next frame that verifies, or to the end; what is lost in between.
    fn skip(&mut self, end: u32) -> Result<Option<Lost>, OpenError> {
        let from = self.offset;
        let position = Position::new(self.file.header.number, from);
        let salt = self.file.header.salt;
        let header = self.bytes(u64::from(from), u64::from(FRAME_HEADER))?;
        let frame = header.and_then(|header| FrameHeader::decode(header, salt, position));
        self.offset = self.search(from.saturating_add(8))?.map_or(end, |frame| frame.position.offset());
        if u64::from(self.offset) > self.length {
            return Ok(None);
        }
        let bytes = u64::from(self.offset.saturating_sub(from));
        let whole = |frame: &FrameHeader| bytes == u64::from(FRAME_HEADER) + u64::from(frame.body_length);
        Ok(Some(Lost { bytes, records: frame.filter(whole).map(|frame| frame.records) }))
    }

    /// Goes behind a frame that verified, and gives it with its body.
    pub(super) fn pass(&mut self, frame: FrameHeader) -> Result<(FrameHeader, &[u8]), OpenError> {
        let body = u64::from(self.offset) + u64::from(FRAME_HEADER);
        self.offset = self.offset.saturating_add(FRAME_HEADER).saturating_add(frame.body_length);
        let body = self.bytes(body, u64::from(frame.body_length))?;
        Ok((frame, body.unwrap_or_default()))
    }

    /// The frame at `offset`, if one verifies there, body and all, that ends no later than `end`.
    pub(super) fn verify(&mut self, end: u32) -> Result<Option<FrameHeader>, OpenError> {
        let (number, salt, offset) = (self.file.header.number, self.file.header.salt, self.offset);
        let Some(header) = self.bytes(u64::from(offset), u64::from(FRAME_HEADER))? else { return Ok(None) };
        let Some(frame) = FrameHeader::decode(header, salt, Position::new(number, offset)) else { return Ok(None) };
        let length = u64::from(FRAME_HEADER) + u64::from(frame.body_length);
        if u64::from(offset) + length > u64::from(end) {
            return Ok(None);
        }
        let Some(bytes) = self.bytes(u64::from(offset), length)? else { return Ok(None) };
        let body = bytes.get(FRAME_HEADER as usize..).unwrap_or_default();
        Ok((crc32c::crc32c(body) == frame.body_crc).then_some(frame))
    }

    /// The first header of a frame from `offset` on. The salt makes sure that it is one of this file.
    pub(super) fn search(&mut self, offset: u32) -> Result<Option<FrameHeader>, OpenError> {
        let (number, salt) = (self.file.header.number, self.file.header.salt);
        let mut start = u64::from(offset);
        while start + u64::from(FRAME_HEADER) <= self.length {
            let length = match self.window_end().saturating_sub(start) {
                inside if start >= self.window_start && inside >= u64::from(FRAME_HEADER) => inside,
                _ => WINDOW.min(self.length - start),
            };
            let Some(bytes) = self.bytes(start, length)? else { return Ok(None) };
            let mut at = start;
            let mut rest = bytes;
            while rest.len() >= FRAME_HEADER as usize {
                if FrameHeader::may_begin(rest) {
                    let position = Position::new(number, u32::try_from(at).unwrap_or(u32::MAX));
                    if let Some(frame) = FrameHeader::decode(rest, salt, position) {
                        return Ok(Some(frame));
                    }
                }
                at += 8;
                rest = rest.get(8..).unwrap_or_default();
            }
            start = at;
        }
        Ok(None)
    }

    /// Bytes of the file, unless it ends before them.
    fn bytes(&mut self, offset: u64, length: u64) -> Result<Option<&[u8]>, OpenError> {
        if offset + length > self.length {
            return Ok(None);
        }
        if offset < self.window_start || offset + length > self.window_end() {
            self.load(offset, length.max(WINDOW.min(self.length - offset)))?;
        }
        let from = usize::try_from(offset - self.window_start).unwrap_or(usize::MAX);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(self.window.get(from..).and_then(|window| window.get(..length)))
    }

    fn window_end(&self) -> u64 {
        self.window_start + self.window.len() as u64
    }

    fn load(&mut self, offset: u64, length: u64) -> Result<(), OpenError> {
        self.window.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
        let read = read_fully(&*self.file.slot.file, offset, &mut self.window);
        let read = read.map_err(|source| OpenError::io(&self.file.slot.path, "read", source))?;
        self.window.truncate(read);
        self.window_start = offset;
        Ok(())
    }
}
