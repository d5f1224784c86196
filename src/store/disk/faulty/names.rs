//! The names of a faulty disk: as a running machine sees them, and as they last. A change of a name lasts after its
//! directory was synced; a power cut keeps, by chance, the first few of the changes of a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Unsynced;
use super::chance::Chance;

/// The place of a file in the disk's list.
pub(super) type InodeNumber = usize;
type Names = BTreeMap<PathBuf, InodeNumber>;

#[derive(Clone, Debug)]
enum Change {
    Made(PathBuf, InodeNumber),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
}

/// All names of a disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    now: Names,
    lasting: Names,
    unsynced: Vec<Change>,
}

impl Change {
    fn directory(&self) -> &Path {
        let (Self::Made(path, _) | Self::Renamed(_, path) | Self::Removed(path)) = self;
        path.parent().unwrap_or(path)
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Self::Made(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Renamed(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Removed(path) => {
                names.remove(path);
            }
        }
    }
}

impl Directory {
    pub(super) fn find(&self, path: &Path) -> Option<InodeNumber> {
        self.now.get(path).copied()
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.now.keys()
    }

    pub(super) fn inodes(&self) -> impl Iterator<Item = InodeNumber> {
        self.now.values().copied()
    }

    pub(super) fn make(&mut self, path: &Path, inode: InodeNumber) {
        self.change(Change::Made(path.to_owned(), inode));
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        self.change(Change::Renamed(from.to_owned(), to.to_owned()));
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.change(Change::Removed(path.to_owned()));
    }

    pub(super) fn sync(&mut self, directory: &Path) {
        let (synced, rest) = std::mem::take(&mut self.unsynced)
            .into_iter()
            .partition::<Vec<_>, _>(|change| change.directory() == directory);
        synced.iter().for_each(|change| change.apply(&mut self.lasting));
        self.unsynced = rest;
    }

    /// The names as they are found after the power was cut.
    pub(super) fn after_power_cut(&self, fate: Unsynced, chance: &mut Chance) -> Self {
        let mut lasting = self.lasting.clone();
        let directories: BTreeSet<&Path> = self.unsynced.iter().map(Change::directory).collect();
        for directory in directories {
            let changes: Vec<_> = self.unsynced.iter().filter(|change| change.directory() == directory).collect();
            let kept = match fate {
                Unsynced::Lost => 0,
                Unsynced::Kept => changes.len(),
                Unsynced::Chance(_) => chance.up_to(changes.len()),
            };
            changes.iter().take(kept).for_each(|change| change.apply(&mut lasting));
        }
        Self { now: lasting.clone(), lasting, unsynced: Vec::new() }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.unsynced.push(change);
    }
}
