//! One file of a faulty disk: what a running machine reads, what the platters hold, and which sectors differ.

use std::collections::BTreeMap;

use super::Unsynced;
use super::chance::Chance;
use crate::store::disk::content::{Content, SECTOR, spans};

/// A file's bytes before and after a power cut.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// What reads see.
    pub(super) now: Content,
    lasting: Content,
    /// Pages written since the last sync, with a bit for each of their sectors.
    unsynced: BTreeMap<u64, u8>,
}

const WHOLE_PAGE: u8 = u8::MAX;

impl Inode {
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.now.write(offset, bytes);
        self.mark(offset, bytes.len() as u64);
    }

    pub(super) fn set_length(&mut self, length: u64) {
        let before = self.now.len();
        self.now.set_length(length);
        self.mark(length, before.saturating_sub(length));
    }

    pub(super) fn sync(&mut self) {
        for (page, sectors) in std::mem::take(&mut self.unsynced) {
            self.keep(page, sectors);
        }
        self.lasting.set_length(self.now.len());
    }

    /// A sync that failed: kernels take the pages for clean from then on, so no later sync writes them.
    pub(super) fn forget_unsynced(&mut self) {
        self.unsynced.clear();
    }

    /// The file as it is found after the power was cut.
    pub(super) fn after_power_cut(&self, fate: Unsynced, chance: &mut Chance) -> Self {
        let mut found = self.clone();
        match fate {
            Unsynced::Lost => {}
            Unsynced::Kept => found.sync(),
            Unsynced::Chance(_) => found.keep_some(chance),
        }
        Self { now: found.lasting.clone(), lasting: found.lasting, unsynced: BTreeMap::new() }
    }

    fn keep_some(&mut self, chance: &mut Chance) {
        for (page, sectors) in std::mem::take(&mut self.unsynced) {
            let kept = sectors & chance.byte();
            self.keep(page, kept);
        }
        let (grown, length) = (self.now.len().max(self.lasting.len()), self.lasting.len());
        let length = if chance.coin() { self.now.len() } else { length };
        // What was kept beyond the end is gone: it does not come back when the file grows again.
        self.lasting.set_length(grown);
        self.lasting.set_length(length);
    }

    fn keep(&mut self, page: u64, sectors: u8) {
        if sectors == WHOLE_PAGE {
            return self.lasting.take_page(&self.now, page);
        }
        for sector in (0..8).filter(|sector| sectors & (1 << sector) != 0) {
            self.lasting.take_sector(&self.now, page, sector);
        }
    }

    fn mark(&mut self, offset: u64, length: u64) {
        for span in spans(offset, length) {
            let (first, last) = (span.start / SECTOR, (span.start + span.length - 1) / SECTOR);
            let sectors = (first..=last).fold(0, |sectors, sector| sectors | 1 << sector);
            *self.unsynced.entry(span.page).or_default() |= sectors;
        }
    }
}
