//! A disk in memory: everything lasts until the process ends, nothing after it. For servers without a data directory
//! and for tests that need no faults.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::content::Content;
use super::{Disk, File};

/// Files in memory, by path.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    files: Mutex<BTreeMap<PathBuf, Arc<MemoryFile>>>,
}

#[derive(Debug, Default)]
struct MemoryFile(RwLock<Content>);

impl MemoryDisk {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn File>> {
        let mut files = self.files.lock();
        if let Some(file) = files.get(path) {
            return Ok(Arc::clone(file) as Arc<dyn File>);
        }
        if !create {
            return Err(not_found(path));
        }
        let file = Arc::new(MemoryFile::default());
        files.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(names_in(self.files.lock().keys(), directory))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.files.lock();
        let file = files.remove(from).ok_or_else(|| not_found(from))?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.lock().remove(path).map(|_| ()).ok_or_else(|| not_found(path))
    }

    fn sync_directory(&self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl File for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.0.read().read(offset, buffer))
    }

    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let mut content = self.0.write();
        let mut at = offset;
        for part in parts {
            content.write(at, part);
            at = at.saturating_add(part.len() as u64);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.read().len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.write().set_length(length);
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        if length > self.len()? { self.set_len(length) } else { Ok(()) }
    }
}

pub(super) fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no file {}", path.display()))
}

/// The names, without the directory, of the files directly in it.
pub(super) fn names_in<'a>(paths: impl Iterator<Item = &'a PathBuf>, directory: &Path) -> Vec<PathBuf> {
    let inside = paths.filter(|path| path.parent() == Some(directory));
    inside.filter_map(|path| path.file_name()).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::MemoryDisk;
    use crate::store::disk::Disk;
    use std::io;
    use std::path::{Path, PathBuf};

    #[test]
    fn a_file_that_is_not_there_is_not_made_unasked() {
        let disk = MemoryDisk::new();
        assert_eq!(disk.open(Path::new("a"), false).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(disk.remove(Path::new("a")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(disk.rename(Path::new("a"), Path::new("b")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn all_who_open_a_file_see_the_same_bytes() {
        let disk = MemoryDisk::new();
        let (one, other) = (disk.open(Path::new("a"), true).unwrap(), disk.open(Path::new("a"), true).unwrap());
        one.write_at(2, &[b"ab", b"", b"c"]).unwrap();
        let mut buffer = [9; 8];
        assert_eq!(other.read_at(0, &mut buffer).unwrap(), 5);
        assert_eq!(&buffer[..5], b"\0\0abc");
        other.set_len(3).unwrap();
        assert_eq!(one.len().unwrap(), 3);
    }

    #[test]
    fn a_directory_lists_its_own_files_by_name() {
        let disk = MemoryDisk::new();
        for path in ["log/02.log", "log/01.log", "meta", "log/deep/x"] {
            disk.open(Path::new(path), true).unwrap();
        }
        disk.rename(Path::new("log/02.log"), Path::new("log/00.log")).unwrap();
        assert_eq!(disk.list(Path::new("log")).unwrap(), [PathBuf::from("00.log"), PathBuf::from("01.log")]);
        assert_eq!(disk.list(Path::new("")).unwrap(), [PathBuf::from("meta")]);
        assert!(disk.list(Path::new("none")).unwrap().is_empty());
    }
}
