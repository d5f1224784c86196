//! Bytes of the log, value by value: varints, headers of files, headers of frames, records. No file is touched here.
//! docs/storage-format.md describes every byte.

mod frame;
mod header;
mod record;
#[cfg(test)]
mod tests;
pub(super) mod varint;

pub(crate) use self::frame::{FRAME_HEADER, FrameHeader, IDLE_SEAL, SETTLES_ONLY, padded};
pub(crate) use self::header::{CONTENT_START, FileHeader, HeaderPage};
pub(crate) use self::record::{Put, Raw, Record, Requeue, put, requeue, settle};
