//! The data directory as a whole: that one process has it (`LOCK`), and that what is in it is ours and of a format that
//! we know (`FORMAT`). Owns none of the other files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::disk::real::{Lock, Locked};
use super::disk::{Disk, RealDisk};

/// The format that this version writes, and the newest it reads.
pub const FORMAT: u32 = 1;

const PRODUCT: &str = "Leveret";
const LOCK_FILE: &str = "LOCK";
const FORMAT_FILE: &str = "FORMAT";
const NEW_FORMAT_FILE: &str = "FORMAT.new";
/// What a directory that was in use before has at least.
const META_FILE: &str = "meta.redb";
/// Bytes of a FORMAT file that are looked at; ours has about 80.
const LONGEST: usize = 4096;

/// Why a data directory cannot be used.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum DirectoryError {
    #[error(
        "the data directory {} is in use by another server{}: stop that one, or give this one a directory of its own",
        directory.display(), holder(pid)
    )]
    InUse { directory: PathBuf, pid: String },
    #[error(
        "the data directory {} has format {found}, and this version knows formats up to {FORMAT}: start the version \
         that wrote it, or a newer one",
        directory.display()
    )]
    Newer { directory: PathBuf, found: u32 },
    #[error(
        "the file {FORMAT_FILE} in {} is not one that this server writes ({reason}): is that the right data \
         directory?",
        directory.display()
    )]
    NotOurs { directory: PathBuf, reason: String },
    #[error(
        "the data directory {} has a {META_FILE} but no {FORMAT_FILE}, so its format is not known: bring the file \
         back from a backup, or give this server a directory of its own",
        directory.display()
    )]
    FormatMissing { directory: PathBuf },
    #[error(
        "the data directory {} has no {FORMAT_FILE}: no server has used it yet; is that the right one?",
        directory.display()
    )]
    Unused { directory: PathBuf },
    #[error("the data directory {}: {operation}: {source}", directory.display())]
    Io { directory: PathBuf, operation: &'static str, source: io::Error },
}

fn holder(pid: &str) -> String {
    if pid.is_empty() { String::new() } else { format!(" (pid {pid})") }
}

/// Who a node is, for as long as its data directory lasts. Written as UUIDs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeUuid(pub u128);

/// A data directory that this process has for itself. Given free when dropped.
#[derive(Debug)]
pub struct DataDirectory {
    /// Its files.
    pub disk: Arc<dyn Disk>,
    /// Who the node is.
    pub node: NodeUuid,
    _lock: Lock,
}

impl DataDirectory {
    /// Takes a directory for this process. A new one is made, with `fresh` as the node's identity, which should be
    /// random.
    ///
    /// # Errors
    /// When another process has it, when it is of a newer format or not ours, and what the system says.
    pub fn open(root: &Path, fresh: NodeUuid) -> Result<Self, DirectoryError> {
        let io = |operation| move |source| DirectoryError::Io { directory: root.to_owned(), operation, source };
        let disk = RealDisk::new(root).map_err(io("making it"))?;
        let pid = format!("{}\n", std::process::id());
        let lock = match disk.lock(Path::new(LOCK_FILE), &pid).map_err(io("locking it"))? {
            Locked::Ours(lock) => lock,
            Locked::Theirs(pid) => {
                return Err(DirectoryError::InUse { directory: root.to_owned(), pid: pid.trim().to_owned() });
            }
        };
        let node = identify(&disk, root, fresh)?;
        Ok(Self { disk: Arc::new(disk), node, _lock: lock })
    }
}

/// A data directory that is looked at and not changed; no server can use it meanwhile.
#[derive(Debug)]
pub struct InspectedDirectory {
    /// Its files.
    pub disk: RealDisk,
    /// Who the node is.
    pub node: NodeUuid,
    _lock: Option<Lock>,
}

impl InspectedDirectory {
    /// Keeps servers from a directory, without writing to it.
    ///
    /// # Errors
    /// When a server has it, when it is of a newer format or not ours, and what the system says.
    pub fn open(root: &Path) -> Result<Self, DirectoryError> {
        let io = |operation| move |source| DirectoryError::Io { directory: root.to_owned(), operation, source };
        let disk = RealDisk::read_only(root).map_err(io("opening it"))?;
        let lock = match disk.share(Path::new(LOCK_FILE)) {
            Ok(Locked::Ours(lock)) => Some(lock),
            Ok(Locked::Theirs(pid)) => {
                return Err(DirectoryError::InUse { directory: root.to_owned(), pid: pid.trim().to_owned() });
            }
            // A copy may have been made without it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io("locking it")(error)),
        };
        let names = disk.list(Path::new("")).map_err(io("listing it"))?;
        if !names.iter().any(|name| name == Path::new(FORMAT_FILE)) {
            return Err(DirectoryError::Unused { directory: root.to_owned() });
        }
        let text = read_format(&disk).map_err(io("reading FORMAT"))?;
        let node = parse(&text, root)?;
        Ok(Self { disk, node, _lock: lock })
    }
}

/// Reads who the node is, or writes it down where there is nothing yet. `directory` is for texts alone.
///
/// # Errors
/// As [`DataDirectory::open`], apart from the lock.
pub fn identify(disk: &dyn Disk, directory: &Path, fresh: NodeUuid) -> Result<NodeUuid, DirectoryError> {
    let io = |operation| move |source| DirectoryError::Io { directory: directory.to_owned(), operation, source };
    let names = disk.list(Path::new("")).map_err(io("listing it"))?;
    if names.iter().any(|name| name == Path::new(FORMAT_FILE)) {
        let text = read_format(disk).map_err(io("reading FORMAT"))?;
        return parse(&text, directory);
    }
    if names.iter().any(|name| name == Path::new(META_FILE)) {
        return Err(DirectoryError::FormatMissing { directory: directory.to_owned() });
    }
    write_format(disk, fresh).map_err(io("writing FORMAT"))?;
    Ok(fresh)
}

fn read_format(disk: &dyn Disk) -> io::Result<String> {
    let file = disk.open(Path::new(FORMAT_FILE), false)?;
    let mut bytes = vec![0; LONGEST];
    let mut count = 0;
    while let Some(rest) = bytes.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match file.read_at(count as u64, rest)? {
            0 => break,
            read => count += read,
        }
    }
    bytes.truncate(count);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The file gets its name when it is whole, so that a power cut leaves none or this one.
fn write_format(disk: &dyn Disk, node: NodeUuid) -> io::Result<()> {
    let text = format!("product: {PRODUCT}\nformat: {FORMAT}\nnode: {node}\n");
    let file = disk.open(Path::new(NEW_FORMAT_FILE), true)?;
    file.set_len(0)?;
    file.write_at(0, &[text.as_bytes()])?;
    file.sync()?;
    disk.rename(Path::new(NEW_FORMAT_FILE), Path::new(FORMAT_FILE))?;
    disk.sync_directory(Path::new(""))
}

fn parse(text: &str, directory: &Path) -> Result<NodeUuid, DirectoryError> {
    let not_ours = |reason: String| DirectoryError::NotOurs { directory: directory.to_owned(), reason };
    let value = |name: &'static str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(key, _)| *key == name).map(|(_, value)| value);
        found.ok_or_else(|| not_ours(format!("no line '{name}: ...'")))
    };
    let product = value("product")?;
    if product != PRODUCT {
        return Err(not_ours(format!("product {product}")));
    }
    let format = value("format")?;
    let found: u32 = format.parse().map_err(|_| not_ours(format!("format {format}")))?;
    if found > FORMAT {
        return Err(DirectoryError::Newer { directory: directory.to_owned(), found });
    }
    let node = value("node")?;
    let digits = u128::from_str_radix(&node.replace('-', ""), 16);
    digits.map(NodeUuid).map_err(|_| not_ours(format!("node {node}")))
}

impl fmt::Display for NodeUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32, bits: u32| self.0 >> shift & ((1 << bits) - 1);
        let (a, b, c, d, e) = (part(96, 32), part(80, 16), part(64, 16), part(48, 16), part(0, 48));
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }
}

#[cfg(test)]
mod tests {
    use super::{DataDirectory, DirectoryError, NodeUuid, identify, read_format};
    use crate::store::disk::faulty::{FaultyDisk, Unsynced};
    use crate::store::disk::{Disk, MemoryDisk};
    use std::path::Path;

    const FRESH: NodeUuid = NodeUuid(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    const LATER: NodeUuid = NodeUuid(5);

    fn with_format(text: &str) -> Result<NodeUuid, DirectoryError> {
        let disk = MemoryDisk::new();
        disk.open(Path::new("FORMAT"), true).unwrap().write_at(0, &[text.as_bytes()]).unwrap();
        identify(&disk, Path::new("/data"), FRESH)
    }

    #[test]
    fn a_node_keeps_its_identity() {
        let root = tempfile::tempdir().unwrap();
        let first = DataDirectory::open(root.path(), FRESH).unwrap();
        assert_eq!(first.node, FRESH);
        let text = read_format(&*first.disk).unwrap();
        drop(first);
        assert_eq!(DataDirectory::open(root.path(), LATER).unwrap().node, FRESH);
        assert_eq!(text, "product: Leveret\nformat: 1\nnode: 01234567-89ab-cdef-0123-456789abcdef\n");
    }

    #[test]
    fn a_second_server_is_told_the_directory_and_who_has_it() {
        let root = tempfile::tempdir().unwrap();
        let _first = DataDirectory::open(root.path(), FRESH).unwrap();
        let error = DataDirectory::open(root.path(), LATER).unwrap_err();
        let expected = format!(
            "the data directory {} is in use by another server (pid {}): stop that one, or give this one a directory \
             of its own",
            root.path().display(),
            std::process::id()
        );
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_newer_format_is_refused_with_what_to_do() {
        let error = with_format("product: Leveret\nformat: 2\nsomething: new\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the data directory /data has format 2, and this version knows formats up to 1: start the version that \
             wrote it, or a newer one"
        );
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        for (text, reason) in [
            ("", "no line 'product: ...'"),
            ("product: RabbitMQ\nformat: 1\n", "product RabbitMQ"),
            ("product: Leveret\nformat: one\n", "format one"),
            ("product: Leveret\nformat: 1\n", "no line 'node: ...'"),
            ("product: Leveret\nformat: 1\nnode: me\n", "node me"),
        ] {
            let error = with_format(text).unwrap_err();
            assert!(matches!(&error, DirectoryError::NotOurs { reason: found, .. } if found == reason), "{error}");
        }
    }

    #[test]
    fn a_directory_that_lost_its_format_is_refused() {
        let disk = MemoryDisk::new();
        disk.open(Path::new("meta.redb"), true).unwrap();
        let error = identify(&disk, Path::new("/data"), FRESH).unwrap_err();
        assert!(matches!(error, DirectoryError::FormatMissing { .. }), "{error}");
    }

    #[test]
    fn a_power_cut_leaves_no_identity_or_a_whole_one() {
        for cut in 1..=8 {
            for fate in (0..20).map(Unsynced::Chance).chain([Unsynced::Lost, Unsynced::Kept]) {
                let disk = FaultyDisk::new();
                disk.power_cut_at(cut);
                let written = identify(&disk, Path::new("/data"), FRESH).is_ok();
                assert_eq!(written, cut == 8, "seven operations");
                let found = identify(&disk.after_power_cut(fate), Path::new("/data"), LATER).unwrap();
                assert!(found == FRESH || (!written && found == LATER), "cut at {cut}, {fate:?}: {found}");
            }
        }
    }
}
