//! A report over a data directory that no server has open: what is in it, and what of it is damaged. Changes nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use super::Definitions;
use super::definitions::Stored;
use super::open::{LOG_DIRECTORY, SEGMENTS};
use super::storage;
use crate::broker::dedup::{keeps_keys, key_queue_of};
use crate::broker::ids::QueueId;
use crate::broker::vhost::Definition;
use crate::store::directory::{DirectoryError, InspectedDirectory};
use crate::store::meta::Meta;
use crate::store::{
    CheckReport, Checkpoint, Damage, DamageKind, OpenError, OpenSegment, Options, QueueKey, SegmentError, check_log,
    look_at_listed,
};

/// Why nothing can be said of a data directory.
#[derive(Debug, Error)]
pub enum CheckError {
    /// It is in use, or it is not ours.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The system cannot read something, or a file is of another version.
    #[error(transparent)]
    Log(OpenError),
    /// The same of a segment.
    #[error(transparent)]
    Segment(SegmentError),
}

/// What is in a data directory.
#[derive(Debug, Default)]
pub struct StoreReport {
    /// Who the node is.
    pub node: String,
    /// The files of the log in their order.
    pub files: Vec<FileReport>,
    /// Files that are ready to be used again.
    pub free: Vec<String>,
    /// The segments that the checkpoint lists and that can be read.
    pub segments: Vec<SegmentReport>,
    /// Durable queues by vhost and name.
    pub queues: Vec<QueueReport>,
    /// What is left of queues that are not there any more, until the files that it is in are emptied.
    pub left: Content,
    /// What is not as it was written.
    pub findings: Vec<Finding>,
}

/// A file of the log.
#[derive(Debug)]
pub struct FileReport {
    /// Its name, under the data directory.
    pub file: String,
    /// Which file of the log it holds.
    pub number: u32,
    /// Frames that verify.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// A segment.
#[derive(Debug)]
pub struct SegmentReport {
    /// Its number.
    pub number: u32,
    /// Its records, settled ones too.
    pub content: Content,
}

/// A queue.
#[derive(Debug)]
pub struct QueueReport {
    /// Its vhost.
    pub vhost: String,
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: Content,
}

/// So many messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Messages.
    pub messages: u64,
    /// Bytes of their records.
    pub bytes: u64,
}

/// Something that is not as it was written.
#[derive(Debug)]
pub struct Finding {
    /// Which file, under the data directory; empty when the text names it.
    pub file: String,
    /// From which byte, where that is known.
    pub offset: Option<u64>,
    /// What is wrong, in words that name the file.
    pub problem: String,
}

impl CheckError {
    /// Whether the system failed, rather than the directory being of no use.
    #[must_use]
    pub const fn is_io(&self) -> bool {
        matches!(
            self,
            Self::Directory(DirectoryError::Io { .. })
                | Self::Log(OpenError::Io { .. })
                | Self::Segment(SegmentError::Io { .. })
        )
    }
}

/// Looks through a data directory.
///
/// # Errors
/// When a server has it, it is not ours, or it cannot be read. Damage is no error: it is in the report.
pub fn check_store(root: &Path) -> Result<StoreReport, CheckError> {
    let directory = InspectedDirectory::open(root)?;
    let mut report = StoreReport { node: directory.node.to_string(), ..StoreReport::default() };
    let Some((stored, checkpoint)) = report.database(&directory) else { return Ok(report) };
    let segments = report.segments(&directory, &checkpoint)?;
    match check_log(&directory.disk, &Options::new(LOG_DIRECTORY.into(), 0), &checkpoint, segments) {
        Ok(log) => report.log(log, &stored),
        Err(OpenError::Damaged(damage)) => report.findings.push(finding(&damage)),
        Err(error @ OpenError::Read(_)) => report.note("", &error.to_string()),
        Err(error @ (OpenError::Io { .. } | OpenError::Version { .. })) => return Err(CheckError::Log(error)),
    }
    Ok(report)
}

impl StoreReport {
    fn note(&mut self, file: &str, problem: &str) {
        self.findings.push(Finding { file: file.to_owned(), offset: None, problem: problem.to_owned() });
    }

    /// Definitions and checkpoint. Without a checkpoint nothing can be said of the rest.
    fn database(&mut self, directory: &InspectedDirectory) -> Option<(Stored, Checkpoint)> {
        const FILE: &str = "meta.redb";
        let meta = Meta::open_copy(&directory.disk).map_err(|error| self.note(FILE, &error.to_string())).ok()?;
        let meta = Arc::new(meta);
        let stored = Definitions::load(Arc::clone(&meta)).map(|(_, stored)| stored);
        let stored = stored.map_err(|error| self.note(FILE, &error.to_string())).unwrap_or_default();
        let checkpoint = meta.checkpoint().map_err(|error| self.note(FILE, &error.to_string())).ok()?;
        Some((stored, checkpoint))
    }

    fn segments(
        &mut self,
        directory: &InspectedDirectory,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<OpenSegment>, CheckError> {
        let mut found = Vec::new();
        let mut damaged = |_, error| {
            found.push(error);
            Ok(())
        };
        let segments = look_at_listed(&directory.disk, Path::new(SEGMENTS), &checkpoint.segments, &mut damaged)
            .map_err(CheckError::Segment)?;
        self.findings.extend(found.iter().map(segment_finding));
        self.segments = segments
            .iter()
            .map(|segment| SegmentReport { number: segment.number.number(), content: content(segment) })
            .collect();
        Ok(segments)
    }

    fn log(&mut self, log: CheckReport, stored: &Stored) {
        let name = |path: &Path| path.display().to_string();
        self.files = log
            .files
            .iter()
            .map(|file| FileReport {
                file: name(&file.path),
                number: file.number.0,
                frames: file.frames,
                records: file.records,
                bytes: file.bytes,
            })
            .collect();
        self.free = log.free.iter().map(|path| name(path)).collect();
        self.findings.extend(log.damage.iter().map(finding));
        let mut contents: BTreeMap<QueueKey, Content> = log
            .queues
            .into_iter()
            .map(|(key, queue)| (key, Content { messages: queue.messages, bytes: queue.bytes }))
            .collect();
        for (vhost, definitions) in &stored.vhosts {
            for definition in definitions {
                for (id, name) in holders(definition) {
                    let content = contents.remove(&storage::key(id)).unwrap_or_default();
                    self.queues.push(QueueReport { vhost: vhost.to_string(), name, content });
                }
            }
        }
        for content in contents.into_values() {
            self.left.messages += content.messages;
            self.left.bytes += content.bytes;
        }
    }
}

/// Who has messages in the store: a queue, or an exchange that delays. Keys by which duplicates are told are messages there,
/// too.
fn holders(definition: &Definition) -> Vec<(QueueId, String)> {
    match definition {
        Definition::Queue(entry) => {
            let keys = keeps_keys(entry).map(|_| (key_queue_of(entry.id), format!("{} (keys)", entry.name)));
            std::iter::once((entry.id, entry.name.to_string())).chain(keys).collect()
        }
        Definition::Exchange(exchange) => {
            let kept = [(exchange.delay_queue, "delayed"), (exchange.key_queue, "keys")];
            kept.into_iter().filter_map(|(id, what)| Some((id?, format!("{} ({what})", exchange.name)))).collect()
        }
        Definition::Binding(_) | Definition::Policy(..) => Vec::new(),
    }
}

fn content(segment: &OpenSegment) -> Content {
    let mut content = Content::default();
    for (_, extent) in &segment.extents {
        content.messages += u64::from(extent.count);
        content.bytes += u64::from(extent.location.length);
    }
    content
}

fn finding(damage: &Damage) -> Finding {
    // Of a file that is missing there is no place.
    let offset = (!matches!(damage.kind, DamageKind::Missing(_))).then_some(damage.offset);
    Finding { file: damage.path.display().to_string(), offset, problem: damage.to_string() }
}

fn segment_finding(error: &SegmentError) -> Finding {
    let (path, offset) = match error {
        SegmentError::Damaged { path, offset, .. } => (path, Some(*offset)),
        SegmentError::Io { path, .. } | SegmentError::Missing(path) | SegmentError::Version { path, .. } => {
            (path, None)
        }
    };
    Finding { file: path.display().to_string(), offset, problem: error.to_string() }
}
