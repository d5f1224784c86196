//! Files that are of no use to recovery get another name: they are neither deleted nor ever looked at again, since they
//! may still be of use to somebody. Decides nothing about which.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::meta;

/// What is not looked at again is called so, with a number.
const NAME: &str = "damaged";

/// Gives files of one directory other names there.
pub(super) fn rename(disk: &dyn Disk, directory: &Path, paths: &[PathBuf]) -> io::Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let names = disk.list(directory)?;
    for path in paths {
        let is_free = |aside: &PathBuf| aside.file_name().is_some_and(|aside| !names.iter().any(|name| name == aside));
        let mut others = (1..=u32::MAX).map(|number| path.with_added_extension(format!("{NAME}-{number}")));
        if let Some(aside) = others.find(is_free) {
            disk.rename(path, &aside)?;
        }
    }
    disk.sync_directory(directory)
}

/// Moves the database and all files of these directories into a directory that is made for them, which is told. The
/// database goes last: where this is cut short, what is left is still no whole store.
///
/// # Errors
/// What the system says.
pub fn everything(disk: &dyn Disk, directories: &[&Path]) -> io::Result<PathBuf> {
    let mut numbers = 1_u32;
    let aside = loop {
        let aside = PathBuf::from(format!("{NAME}-{numbers}"));
        let mut all = std::iter::once(Path::new("")).chain(directories.iter().copied());
        if all.try_fold(true, |empty, directory| {
            Ok::<_, io::Error>(empty && disk.list(&aside.join(directory))?.is_empty())
        })? {
            break aside;
        }
        numbers += 1;
    };
    for directory in directories {
        let names = disk.list(directory)?;
        move_to(disk, directory, &aside.join(directory), &names)?;
    }
    let names = disk.list(Path::new(""))?;
    let database: Vec<_> = names.into_iter().filter(|name| name.as_os_str() == OsStr::new(meta::FILE)).collect();
    move_to(disk, Path::new(""), &aside, &database)?;
    Ok(aside)
}

fn move_to(disk: &dyn Disk, from: &Path, to: &Path, names: &[PathBuf]) -> io::Result<()> {
    for name in names {
        disk.rename(&from.join(name), &to.join(name))?;
    }
    disk.sync_directory(to)?;
    disk.sync_directory(from)
}

#[cfg(test)]
mod tests {
    use super::everything;
    use crate::store::disk::faulty::{FaultyDisk, Unsynced};
    use crate::store::disk::{Disk, MemoryDisk};
    use std::path::{Path, PathBuf};

    const FILES: [&str; 5] = ["FORMAT", "meta.redb", "log/01.log", "log/02.log", "segments/00000001.seg"];

    fn filled(disk: &dyn Disk) {
        for file in FILES {
            let path = Path::new(file);
            let file = disk.open(path, true).unwrap();
            file.write_at(0, &[path.to_str().unwrap().as_bytes()]).unwrap();
            file.sync().unwrap();
        }
        for directory in ["", "log", "segments"] {
            disk.sync_directory(Path::new(directory)).unwrap();
        }
    }

    fn set_aside(disk: &dyn Disk) -> std::io::Result<PathBuf> {
        everything(disk, &[Path::new("log"), Path::new("segments")])
    }

    fn holds(disk: &dyn Disk, path: &Path, content: &str) -> bool {
        let mut bytes = vec![0; content.len() + 1];
        let file = disk.open(path, false);
        file.is_ok_and(|file| {
            file.read_at(0, &mut bytes).unwrap() == content.len() && bytes.starts_with(content.as_bytes())
        })
    }

    #[test]
    fn everything_is_moved_but_what_the_directory_is_and_nothing_is_replaced() {
        let disk = MemoryDisk::new();
        for time in 1..=2 {
            filled(&disk);
            assert_eq!(set_aside(&disk).unwrap(), Path::new(&format!("damaged-{time}")));
            assert!(holds(&disk, Path::new("FORMAT"), "FORMAT"));
        }
        for file in &FILES[1..] {
            assert!(!holds(&disk, Path::new(file), file));
            assert!(
                (1..=2).all(|time| holds(&disk, &Path::new(&format!("damaged-{time}")).join(file), file)),
                "{file}"
            );
        }
    }

    #[test]
    fn a_power_cut_loses_no_file_and_leaves_no_whole_store_that_is_not() {
        let operations = {
            let disk = FaultyDisk::new();
            filled(&disk);
            let before = disk.operations();
            set_aside(&disk).unwrap();
            before..=disk.operations()
        };
        for cut in operations {
            let disk = FaultyDisk::new();
            filled(&disk);
            disk.power_cut_at(cut);
            let _ = set_aside(&disk);
            for fate in [Unsynced::Lost, Unsynced::Kept, Unsynced::Chance(cut), Unsynced::Chance(cut + 100)] {
                let after = disk.after_power_cut(fate);
                for file in FILES {
                    let places = [PathBuf::from(file), Path::new("damaged-1").join(file)];
                    assert!(places.iter().any(|place| holds(&after, place, file)), "cut at {cut}, {fate:?}: {file}");
                }
                let here = |file: &str| holds(&after, Path::new(file), file);
                assert!(here("meta.redb") || !FILES[2..].iter().any(|file| here(file)), "cut at {cut}, {fate:?}");
            }
        }
    }
}
