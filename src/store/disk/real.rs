//! The operating system's files under one directory, and the lock by which a process has that directory for itself.
//! Owns no format of any file.

use std::fs;
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock, statvfs};
use rustix::io::{Errno, pwritev};

use super::{Disk, File};

/// Others than the owner and the group see nothing: messages are nobody else's, and definitions hold password hashes.
const FILE_MODE: u32 = 0o640;
const DIRECTORY_MODE: u32 = 0o750;

/// The files under one directory.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
    access: Access,
}

/// What may be done to the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Full,
    /// Every change is refused, and nothing is made.
    Read,
}

#[derive(Debug)]
struct RealFile(fs::File);

/// A lock on a file, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: fs::File,
}

/// What came of an attempt to lock a file.
#[derive(Debug)]
pub enum Locked {
    /// It is ours.
    Ours(Lock),
    /// Another process has it; this is what the file says.
    Theirs(String),
}

impl RealDisk {
    /// The files under that directory. Makes it when it is not there.
    ///
    /// # Errors
    /// When it cannot be made or is no directory.
    pub fn new(root: &Path) -> io::Result<Self> {
        make_directory(root)?;
        Ok(Self { root: root.to_owned(), access: Access::Full })
    }

    /// The files under that directory, to be read alone: whatever would change something is an error.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn read_only(root: &Path) -> io::Result<Self> {
        fs::read_dir(root)?;
        Ok(Self { root: root.to_owned(), access: Access::Read })
    }

    fn changes(&self) -> io::Result<()> {
        if self.access == Access::Read { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    /// The directory that all paths start from.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Locks a file (flock), and writes down who has it. Does not wait.
    ///
    /// # Errors
    /// When the file cannot be made, locked or written; also on file systems that know no locks.
    pub fn lock(&self, path: &Path, holder: &str) -> io::Result<Locked> {
        self.changes()?;
        let file = open(&self.root.join(path), true)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(Locked::Theirs(io::read_to_string(&file)?)),
            Err(error) => return Err(error.into()),
        }
        file.set_len(0)?;
        file.write_all_at(holder.as_bytes(), 0)?;
        Ok(Locked::Ours(Lock { _file: file }))
    }

    /// Keeps others from locking a file, together with whoever does the same, without writing anything. Does not wait.
    ///
    /// # Errors
    /// When the file is not there or cannot be locked.
    pub fn share(&self, path: &Path) -> io::Result<Locked> {
        let file = fs::File::open(self.root.join(path))?;
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(Locked::Ours(Lock { _file: file })),
            Err(Errno::WOULDBLOCK) => Ok(Locked::Theirs(io::read_to_string(&file)?)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn File>> {
        let path = self.root.join(path);
        if self.access == Access::Read {
            return Ok(Arc::new(RealFile(fs::File::open(&path)?)));
        }
        let file = match open(&path, create) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                path.parent().map_or(Ok(()), make_directory)?;
                open(&path, create)?
            }
            opened => opened?,
        };
        Ok(Arc::new(RealFile(file)))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let directory = self.root.join(directory);
        if self.access == Access::Read && !directory.exists() {
            return Ok(Vec::new());
        }
        if self.access == Access::Full {
            make_directory(&directory)?;
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(PathBuf::from(entry.file_name()));
            }
        }
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.changes()?;
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.changes()?;
        fs::remove_file(self.root.join(path))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        // Nothing was changed that would have to last.
        if self.access == Access::Read { Ok(()) } else { sync_names(&self.root.join(directory)) }
    }

    fn free_space(&self) -> io::Result<u64> {
        let found = statvfs(&self.root)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

impl File for RealFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset.saturating_add(count as u64)) {
                Ok(0) => break,
                Ok(read) => count += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        if let [part] = parts {
            return self.0.write_all_at(part, offset);
        }
        let mut slices: Vec<_> = parts.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)).collect();
        let (mut rest, mut at) = (slices.as_mut_slice(), offset);
        while !rest.is_empty() {
            match pwritev(&self.0, rest, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    at = at.saturating_add(written as u64);
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        match fallocate(&self.0, FallocateFlags::empty(), 0, length) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(&self.0, length),
            done => Ok(done?),
        }
    }
}

/// Writes zeros behind the end, where the file system knows no other way to set room aside.
fn fill(file: &fs::File, length: u64) -> io::Result<()> {
    const ZEROS: &[u8] = &[0; 1 << 20];
    let mut at = file.metadata()?.len();
    while at < length {
        let piece = usize::try_from(length - at).map_or(ZEROS, |left| ZEROS.get(..left).unwrap_or(ZEROS));
        file.write_all_at(piece, at)?;
        at += piece.len() as u64;
    }
    file.sync_data()
}

fn open(path: &Path, create: bool) -> io::Result<fs::File> {
    fs::OpenOptions::new().read(true).write(true).create(create).truncate(false).mode(FILE_MODE).open(path)
}

/// Makes a directory with those above it, so that they last.
fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    above.map_or(Ok(()), make_directory)?;
    match fs::DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_names(above.unwrap_or_else(|| Path::new("."))),
    }
}

fn sync_names(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::{Disk, Locked, RealDisk};
    use std::io;
    use std::path::{Path, PathBuf};

    fn disk() -> (tempfile::TempDir, RealDisk) {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(&directory.path().join("deep/data")).unwrap();
        (directory, disk)
    }

    #[test]
    fn parts_are_written_one_behind_the_other_and_read_back() {
        let (_directory, disk) = disk();
        let file = disk.open(Path::new("log/01.log"), true).unwrap();
        file.write_at(3, &[b"ab", b"", b"cde"]).unwrap();
        file.write_at(0, &[]).unwrap();
        file.write_at(8, &[b"f"]).unwrap();
        file.sync().unwrap();
        let mut buffer = [9; 20];
        assert_eq!(file.read_at(1, &mut buffer).unwrap(), 8);
        assert_eq!(&buffer[..9], b"\0\0abcdef\x09");
        assert_eq!(file.read_at(9, &mut buffer).unwrap(), 0);
        file.set_len(4).unwrap();
        assert_eq!(file.len().unwrap(), 4);
    }

    #[test]
    fn more_parts_than_the_system_takes_at_once_are_written() {
        let (_directory, disk) = disk();
        let file = disk.open(Path::new("a"), true).unwrap();
        let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
        file.write_at(0, &bytes.chunks(1).collect::<Vec<_>>()).unwrap();
        let mut read = vec![0; 5001];
        assert_eq!(file.read_at(0, &mut read).unwrap(), 5000);
        assert_eq!(read[..5000], bytes);
    }

    #[test]
    fn names_are_made_listed_renamed_and_removed() {
        let (_directory, disk) = disk();
        assert_eq!(disk.open(Path::new("a"), false).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(disk.list(Path::new("segments")).unwrap().is_empty());
        for name in ["b", "a", "log/x"] {
            disk.open(Path::new(name), true).unwrap();
        }
        disk.rename(Path::new("b"), Path::new("c")).unwrap();
        disk.sync_directory(Path::new("")).unwrap();
        assert_eq!(disk.list(Path::new("")).unwrap(), [PathBuf::from("a"), PathBuf::from("c")]);
        disk.remove(Path::new("a")).unwrap();
        assert_eq!(disk.remove(Path::new("a")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(disk.free_space().unwrap() > 0);
    }

    #[test]
    fn what_is_only_read_cannot_be_changed() {
        let (directory, disk) = disk();
        disk.open(Path::new("log/01.log"), true).unwrap().write_at(0, &[b"abc"]).unwrap();
        let reading = RealDisk::read_only(disk.root()).unwrap();
        assert!(reading.list(Path::new("segments")).unwrap().is_empty());
        assert!(!disk.root().join("segments").exists());
        assert_eq!(reading.list(Path::new("log")).unwrap(), [PathBuf::from("01.log")]);
        let file = reading.open(Path::new("log/01.log"), true).unwrap();
        let mut bytes = [0; 3];
        assert_eq!((file.read_at(0, &mut bytes).unwrap(), &bytes), (3, b"abc"));
        assert!(file.write_at(0, &[b"x"]).is_err() && file.write_at(0, &[b"x", b"y"]).is_err());
        assert!(file.set_len(0).is_err());
        assert!(reading.open(Path::new("log/02.log"), true).is_err());
        assert!(reading.remove(Path::new("log/01.log")).is_err());
        assert!(reading.rename(Path::new("log/01.log"), Path::new("log/02.log")).is_err());
        assert!(reading.lock(Path::new("LOCK"), "1").is_err());
        reading.sync_directory(Path::new("log")).unwrap();
        assert!(RealDisk::read_only(&directory.path().join("nowhere")).is_err());
    }

    #[test]
    fn readers_share_a_lock_and_keep_a_server_out() {
        let (_directory, disk) = disk();
        let path = Path::new("LOCK");
        assert_eq!(disk.share(path).unwrap_err().kind(), io::ErrorKind::NotFound);
        drop(disk.lock(path, "41\n").unwrap());
        let Locked::Ours(one) = disk.share(path).unwrap() else { panic!("nobody holds it") };
        assert!(matches!(disk.share(path).unwrap(), Locked::Ours(_)));
        assert!(matches!(disk.lock(path, "42\n").unwrap(), Locked::Theirs(holder) if holder == "41\n"));
        drop(one);
        let Locked::Ours(_server) = disk.lock(path, "42\n").unwrap() else { panic!("nobody holds it") };
        assert!(matches!(disk.share(path).unwrap(), Locked::Theirs(holder) if holder == "42\n"));
    }

    #[test]
    fn a_lock_keeps_others_out_and_tells_who_holds_it() {
        let (_directory, disk) = disk();
        let path = Path::new("LOCK");
        let Locked::Ours(lock) = disk.lock(path, "41\n").unwrap() else { panic!("nobody holds it") };
        let Locked::Theirs(holder) = disk.lock(path, "42\n").unwrap() else { panic!("it is held") };
        assert_eq!(holder, "41\n");
        drop(lock);
        assert!(matches!(disk.lock(path, "42\n").unwrap(), Locked::Ours(_)));
    }
}
