//! Bytes of a file in memory, in pages that clones share and with zeros left out, so that a preallocated file costs
//! nothing and a snapshot little. Owns no names and no faults.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes in a page. Not the unit in which writes tear: that is [`SECTOR`].
pub(super) const PAGE: usize = 4096;
/// What a disk writes wholly or not at all, in bytes.
pub(super) const SECTOR: usize = 512;
const PAGE_LENGTH: u64 = PAGE as u64;

/// A file's bytes. Pages that are not there are zeros.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    length: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE]>>,
}

/// A part of a range of bytes that lies in one page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) page: u64,
    /// First byte within the page.
    pub(super) start: usize,
    pub(super) length: usize,
}

/// Cuts a range of bytes at the borders of pages.
pub(super) fn spans(offset: u64, length: u64) -> impl Iterator<Item = Span> {
    let (mut at, end) = (offset, offset.saturating_add(length));
    std::iter::from_fn(move || {
        let start = within_page(at);
        let length = (end.saturating_sub(at)).min(PAGE_LENGTH - start as u64);
        let span = Span { page: at / PAGE_LENGTH, start, length: within(length) };
        at = at.saturating_add(length);
        (length > 0).then_some(span)
    })
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Fills the buffer up to the end of the file; how many bytes came.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let count = within(self.length.saturating_sub(offset)).min(buffer.len());
        let mut rest = buffer.get_mut(..count).unwrap_or_default();
        for span in spans(offset, count as u64) {
            let (part, after) = rest.split_at_mut(span.length.min(rest.len()));
            let page = self.pages.get(&span.page);
            match page.and_then(|page| page.get(span.start..span.start + span.length)) {
                Some(bytes) => part.copy_from_slice(bytes),
                None => part.fill(0),
            }
            rest = after;
        }
        count
    }

    /// Writes, and grows the file where it must.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let mut rest = bytes;
        for span in spans(offset, bytes.len() as u64) {
            let (part, after) = rest.split_at(span.length.min(rest.len()));
            self.write_span(span, part);
            rest = after;
        }
        self.length = self.length.max(offset.saturating_add(bytes.len() as u64));
    }

    /// Cuts the file off or fills it up with zeros.
    pub(super) fn set_length(&mut self, length: u64) {
        if length < self.length {
            let kept = length.div_ceil(PAGE_LENGTH);
            self.pages.split_off(&kept);
            let start = within_page(length);
            if start > 0 {
                let tail = Span { page: length / PAGE_LENGTH, start, length: PAGE - start };
                self.write_span(tail, &[0; PAGE]);
            }
        }
        self.length = length;
    }

    /// Takes a page over as it is in another file; the length stays.
    pub(super) fn take_page(&mut self, from: &Self, page: u64) {
        match from.pages.get(&page) {
            Some(bytes) => self.pages.insert(page, Arc::clone(bytes)),
            None => self.pages.remove(&page),
        };
    }

    /// Takes one sector of a page over as it is in another file; the length stays.
    pub(super) fn take_sector(&mut self, from: &Self, page: u64, sector: usize) {
        let start = sector * SECTOR;
        let zeros = [0; SECTOR];
        let theirs = from.pages.get(&page).and_then(|page| page.get(start..start + SECTOR)).unwrap_or(&zeros);
        self.write_span(Span { page, start, length: SECTOR }, theirs);
    }

    fn write_span(&mut self, span: Span, bytes: &[u8]) {
        let bytes = bytes.get(..span.length).unwrap_or(bytes);
        if !self.pages.contains_key(&span.page) && bytes.iter().all(|byte| *byte == 0) {
            return;
        }
        let page = Arc::make_mut(self.pages.entry(span.page).or_insert_with(|| Arc::new([0; PAGE])));
        if let Some(place) = page.get_mut(span.start..span.start + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}

fn within_page(offset: u64) -> usize {
    within(offset % PAGE_LENGTH)
}

fn within(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Content, PAGE};

    fn read(content: &Content, offset: u64, length: usize) -> Vec<u8> {
        let mut buffer = vec![0xee; length];
        let count = content.read(offset, &mut buffer);
        buffer.truncate(count);
        buffer
    }

    #[test]
    fn writes_across_pages_come_back() {
        let mut content = Content::default();
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * PAGE).collect();
        content.write(100, &bytes);
        assert_eq!(content.len(), 100 + 3 * PAGE as u64);
        assert_eq!(read(&content, 100, 3 * PAGE + 9), bytes);
        assert_eq!(read(&content, 0, 101), [vec![0; 100], vec![0]].concat());
    }

    #[test]
    fn holes_and_grown_parts_are_zeros() {
        let mut content = Content::default();
        content.write(PAGE as u64 * 5, b"x");
        content.set_length(PAGE as u64 * 6);
        assert_eq!(read(&content, PAGE as u64 * 5, PAGE * 2), [b"x".to_vec(), vec![0; PAGE - 1]].concat());
        assert_eq!(read(&content, 7, 3), [0, 0, 0]);
    }

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let mut content = Content::default();
        content.write(0, &[7; 2 * PAGE]);
        content.set_length(10);
        content.set_length(2 * PAGE as u64);
        assert_eq!(read(&content, 0, 2 * PAGE), [vec![7; 10], vec![0; 2 * PAGE - 10]].concat());
    }

    #[test]
    fn nothing_is_read_behind_the_end() {
        let mut content = Content::default();
        content.write(0, b"abc");
        assert_eq!(read(&content, 3, 4), b"");
        assert_eq!(read(&content, u64::MAX, 4), b"");
        assert_eq!(read(&content, 2, 4), b"c");
    }
}
