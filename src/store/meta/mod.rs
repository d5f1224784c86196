//! The small database beside the log: definitions, and checkpoints of what the log's files and segments hold. Keys and
//! values are opaque here. A commit lasts wholly or not at all. Read once at the start; no message passes through it.

mod backend;
mod checkpoint;
mod clean_stop;
mod ranges;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use thiserror::Error;

use self::backend::Backend;
pub use self::checkpoint::{CheckpointChange, CheckpointError};
pub use self::clean_stop::CleanStop;
use super::disk::{Disk, File, MemoryDisk};
use super::reserve::Reserve;

/// The name of the database in the data directory.
pub(super) const FILE: &str = "meta.redb";
const NEW_FILE: &str = "meta.redb.new";

/// Bytes of pages kept in memory. Commits touch few pages; the start reads each once.
const CACHE: usize = 8 * 1024 * 1024;

/// Bytes copied at once.
const COPY_PIECE: usize = 1 << 20;

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// One of the database's sets of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// What clients and operators declared.
    Definitions,
    /// What the log's files and segments hold.
    Checkpoint,
    /// The word that a stop in order leaves.
    CleanStop,
    /// What exchanges and queues remember of messages over a stop in order.
    Remembered,
}

impl Space {
    const ALL: [Self; 4] = [Self::Definitions, Self::Checkpoint, Self::CleanStop, Self::Remembered];

    fn table(self) -> Table {
        match self {
            Self::Definitions => TableDefinition::new("definitions"),
            Self::Checkpoint => TableDefinition::new("checkpoint"),
            Self::CleanStop => TableDefinition::new("clean_stop"),
            Self::Remembered => TableDefinition::new("remembered"),
        }
    }
}

/// A row: its key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// A change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The row is this from now on, whatever it was.
    Put {
        /// Which row.
        key: Vec<u8>,
        /// What it says.
        value: Vec<u8>,
    },
    /// The row is gone; one that was not there is no error.
    Remove {
        /// Which row.
        key: Vec<u8>,
    },
}

/// Why the database cannot be opened.
#[derive(Debug, Error)]
#[error("{}", self.text())]
pub struct OpenError {
    operation: &'static str,
    source: Box<redb::Error>,
}

impl OpenError {
    fn new(operation: &'static str) -> impl Fn(redb::Error) -> Self {
        move |source| Self { operation, source: Box::new(source) }
    }

    /// Whether the file is not what was written, rather than that the disk failed or another version wrote it.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        if let redb::Error::Io(error) = &*self.source {
            return matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
        }
        matches!(
            &*self.source,
            redb::Error::Corrupted(_)
                | redb::Error::TableDoesNotExist(_)
                | redb::Error::TableTypeMismatch { .. }
                | redb::Error::TypeDefinitionChanged { .. }
        )
    }

    fn text(&self) -> String {
        let Self { operation, source } = self;
        if self.is_damage() {
            return format!(
                "{FILE}, which says what was declared and what the log is of, is damaged ({operation}: {source}); \
                 salvage can only start with nothing, and moves all files aside"
            );
        }
        format!("{FILE}: {operation}: {source}")
    }
}

/// The database failed, and the node has to end: what is on disk is not known, later commits would build on that, and
/// nothing that waited for the commit may be answered. There is nothing to try again; the next start finds the state
/// before or after the commit that failed.
#[derive(Debug, Error)]
#[error("{FILE}: {operation}: {source}; the server has to end, and finds its last whole state at the next start")]
pub struct Fatal {
    operation: &'static str,
    source: Box<redb::Error>,
}

/// Why a commit did not happen.
#[derive(Debug, Error)]
pub enum CommitError {
    /// The disk is full. The state is the one before, on the disk too, and later commits are welcome.
    #[error("{FILE}: commit: no space left on the disk")]
    NoSpace,
    /// See [`Fatal`].
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

/// The database.
#[derive(Debug)]
pub struct Meta {
    file: Arc<dyn File>,
    open: Mutex<Open>,
    /// Room for what cannot be refused.
    reserve: Option<Arc<Reserve>>,
}

/// The database as it was opened last.
#[derive(Debug)]
struct Open {
    database: Database,
    /// Set when a change found no room.
    full: Arc<AtomicBool>,
}

impl Meta {
    /// Whether there is a database.
    ///
    /// # Errors
    /// What the system says.
    pub fn is_there(disk: &dyn Disk) -> Result<bool, OpenError> {
        let names = disk.list(Path::new("")).map_err(io_error).map_err(OpenError::new("listing the directory"))?;
        Ok(names.iter().any(|name| name == Path::new(FILE)))
    }

    /// Opens the database, and makes it where there is none.
    ///
    /// # Errors
    /// What the system says, or that the file is damaged.
    pub fn open(disk: &dyn Disk) -> Result<Self, OpenError> {
        if !Self::is_there(disk)? {
            return create(disk).map_err(OpenError::new("making it"));
        }
        let open = || {
            let file = disk.open(Path::new(FILE), false)?;
            Ok(Self { open: Open::file(&file)?.into(), file, reserve: None })
        };
        open().map_err(OpenError::new("opening it"))
    }

    /// Opens a copy in memory, so that nothing on the disk changes: a database that was not closed in order is mended when
    /// it is opened.
    ///
    /// # Errors
    /// What the system says, or that the file is missing or damaged.
    pub fn open_copy(disk: &dyn Disk) -> Result<Self, OpenError> {
        let copy = MemoryDisk::new();
        copy_file(disk, &copy).map_err(io_error).map_err(OpenError::new("reading it"))?;
        Self::open(&copy)
    }

    /// As it is, with this room for what cannot be refused.
    #[must_use]
    pub fn with_reserve(self, reserve: Arc<Reserve>) -> Self {
        Self { reserve: Some(reserve), ..self }
    }

    /// Makes all changes in this order, at once and lasting: when it returns, they are on the disk. No change, no
    /// access to the disk. Waits for a commit of another thread. Refused on a full disk, also where there is something
    /// left of the reserve.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn commit(&self, space: Space, changes: &[Change]) -> Result<(), CommitError> {
        if changes.is_empty() {
            return Ok(());
        }
        if self.reserve.as_ref().is_some_and(|reserve| reserve.is_taken()) {
            return Err(CommitError::NoSpace);
        }
        self.try_to_commit(space, changes).inspect_err(|error| {
            if let (CommitError::NoSpace, Some(reserve)) = (error, &self.reserve) {
                reserve.note_full();
            }
        })
    }

    /// As `commit`, for what makes room or cannot be refused: on a full disk it takes the reserve.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn commit_in_any_case(&self, space: Space, changes: &[Change]) -> Result<(), CommitError> {
        if changes.is_empty() {
            return Ok(());
        }
        let commit = || self.try_to_commit(space, changes);
        match &self.reserve {
            Some(reserve) => reserve.with_room(|error| matches!(error, CommitError::NoSpace), commit),
            None => commit(),
        }
    }

    fn try_to_commit(&self, space: Space, changes: &[Change]) -> Result<(), CommitError> {
        let fatal = |source| Fatal { operation: "commit", source: Box::new(source) };
        let mut open = self.open.lock();
        let Err(error) = open.write(space, changes) else { return Ok(()) };
        if !open.full.load(Ordering::Acquire) {
            return Err(fatal(error).into());
        }
        // Like a start after a crash: what was synced is whole, and nothing of this commit was.
        let before = Open::file(&self.file).map_err(fatal)?;
        if before.holds(space, changes).map_err(fatal)? {
            return Err(fatal(error).into());
        }
        *open = before;
        Err(CommitError::NoSpace)
    }

    /// All rows, by key.
    ///
    /// # Errors
    /// See [`Fatal`].
    pub fn all(&self, space: Space) -> Result<Vec<Row>, Fatal> {
        let read = self.open.lock().read(space);
        read.map_err(|source| Fatal { operation: "reading", source: Box::new(source) })
    }
}

impl Open {
    fn file(file: &Arc<dyn File>) -> Result<Self, redb::Error> {
        // An empty one would be taken for one that is to be made.
        if file.len()? == 0 {
            return Err(redb::Error::Corrupted("it is empty".to_owned()));
        }
        let open = Self::made(file)?;
        let transaction = open.database.begin_read()?;
        for space in Space::ALL {
            transaction.open_table(space.table())?;
        }
        Ok(open)
    }

    fn made(file: &Arc<dyn File>) -> Result<Self, redb::Error> {
        let full = Arc::new(AtomicBool::new(false));
        let backend = Backend::new(Arc::clone(file), Arc::clone(&full));
        Ok(Self { database: builder().create_with_backend(backend)?, full })
    }

    fn write(&self, space: Space, changes: &[Change]) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(space.table())?;
            for change in changes {
                match change {
                    Change::Put { key, value } => table.insert(key.as_slice(), value.as_slice())?,
                    Change::Remove { key } => table.remove(key.as_slice())?,
                };
            }
        }
        Ok(transaction.commit()?)
    }

    /// Whether the rows are as the changes would have them: a commit whose end is not known may have happened.
    fn holds(&self, space: Space, changes: &[Change]) -> Result<bool, redb::Error> {
        let table = self.database.begin_read()?.open_table(space.table())?;
        // Of several changes of one row the last one counts.
        let last: BTreeMap<&[u8], Option<&[u8]>> = changes
            .iter()
            .map(|change| match change {
                Change::Put { key, value } => (key.as_slice(), Some(value.as_slice())),
                Change::Remove { key } => (key.as_slice(), None),
            })
            .collect();
        for (key, wanted) in last {
            if table.get(key)?.as_ref().map(redb::AccessGuard::value) != wanted {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read(&self, space: Space) -> Result<Vec<Row>, redb::Error> {
        let table = match self.database.begin_read()?.open_table(space.table()) {
            // Made by a version that did not have it yet.
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            table => table?,
        };
        let rows = table.iter()?.map(|row| {
            let (key, value) = row?;
            Ok((key.value().to_vec(), value.value().to_vec()))
        });
        rows.collect()
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    // Without it a flipped bit is taken for what was written, or ends in a panic. The file is small: no messages.
    builder.set_check_integrity_on_open(true);
    builder
}

/// The file gets its name when it is whole, so that a power cut leaves none or a good one.
fn create(disk: &dyn Disk) -> Result<Meta, redb::Error> {
    let file = disk.open(Path::new(NEW_FILE), true)?;
    file.set_len(0)?;
    let open = Open::made(&file)?;
    let transaction = open.database.begin_write()?;
    for space in Space::ALL {
        transaction.open_table(space.table())?;
    }
    transaction.commit()?;
    disk.rename(Path::new(NEW_FILE), Path::new(FILE))?;
    disk.sync_directory(Path::new(""))?;
    Ok(Meta { file, open: open.into(), reserve: None })
}

fn copy_file(from: &dyn Disk, to: &dyn Disk) -> io::Result<()> {
    let (from, to) = (from.open(Path::new(FILE), false)?, to.open(Path::new(FILE), true)?);
    let mut piece = vec![0; COPY_PIECE];
    let mut offset = 0;
    loop {
        let read = from.read_at(offset, &mut piece)?;
        if read == 0 {
            return Ok(());
        }
        to.write_at(offset, &[piece.get(..read).unwrap_or_default()])?;
        offset += read as u64;
    }
}

fn io_error(error: io::Error) -> redb::Error {
    redb::Error::Io(error)
}
