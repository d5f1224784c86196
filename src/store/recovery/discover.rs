//! The slots in the log's directory, and what their headers say.

use super::error::{Damage, DamageKind, OpenError};
use crate::store::disk::Disk;
use crate::store::format::{FileHeader, HeaderPage};
use crate::store::log::{Slot, read_fully, slot_name};
use crate::store::options::Options;

/// What is in the directory.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) slots: Vec<FoundSlot>,
    /// Those of which the header is damaged, when salvaging.
    pub(super) headless: Vec<Slot>,
    pub(super) damage: Vec<Damage>,
    /// Above the number in every slot's name.
    pub(super) next_name: u32,
}

/// A slot, with its header when it has one.
#[derive(Debug)]
pub(super) struct FoundSlot {
    pub(super) slot: Slot,
    pub(super) header: Option<FileHeader>,
}

/// Looks at every slot. A header of which both copies are there and neither verifies is damage: sectors are written
/// wholly or not at all, so that of the two copies, in sectors of their own, one is what it was or was to become.
pub(super) fn slots(disk: &dyn Disk, options: &Options) -> Result<Found, OpenError> {
    let directory = &options.directory;
    let names = disk.list(directory).map_err(|source| OpenError::io(directory, "list", source))?;
    // A process that was killed may have made names, or the directory, that would not outlive a power cut.
    for directory in directory.parent().into_iter().chain([&**directory]) {
        disk.sync_directory(directory).map_err(|source| OpenError::io(directory, "sync", source))?;
    }
    let mut found = Found::default();
    for name in names {
        let Some(number) = slot_name(&name) else { continue };
        found.next_name = found.next_name.max(number.saturating_add(1));
        let path = directory.join(name);
        let file = disk.open(&path, false).map_err(|source| OpenError::io(&path, "open", source))?;
        let slot = Slot { path, file };
        let header = match read_page(&slot)? {
            HeaderPage::Valid(header) => Some(header),
            HeaderPage::Blank => None,
            HeaderPage::Version(version) => return Err(OpenError::Version { path: slot.path, version }),
            HeaderPage::Damaged => {
                let path = slot.path.clone();
                let damage = Damage { path, position: None, offset: 0, kind: DamageKind::Header, lost: None };
                if !options.salvage {
                    return Err(damage.into());
                }
                found.damage.push(damage);
                found.headless.push(slot);
                continue;
            }
        };
        found.slots.push(FoundSlot { slot, header });
    }
    Ok(found)
}

fn read_page(slot: &Slot) -> Result<HeaderPage, OpenError> {
    let mut page = [0; HeaderPage::LENGTH];
    let read = read_fully(&*slot.file, 0, &mut page);
    let read = read.map_err(|source| OpenError::io(&slot.path, "read", source))?;
    Ok(HeaderPage::decode(page.get(..read).unwrap_or_default()))
}
