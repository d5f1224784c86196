//! The direction of imports and the purity of `broker`, read from the sources.
#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources has to fail")]

use std::fs;
use std::path::{Path, PathBuf};

/// Folder, and the folders it may name.
const ARROWS: [(&str, &[&str]); 9] = [
    ("broker", &["broker"]),
    ("config", &["config"]),
    ("logging", &["config", "logging"]),
    ("store", &["store"]),
    ("node", &["broker", "config", "store", "node"]),
    ("serving", &["serving"]),
    ("net", &["broker", "config", "node", "serving", "net"]),
    ("http", &["broker", "config", "node", "serving", "http"]),
    ("cli", &["config", "http", "logging", "net", "node", "cli"]),
];

/// What a machine may not name: time, tasks, files, sockets, locks, chance, logs.
const IMPURE: [&str; 13] = [
    "tokio",
    "std::fs",
    "std::net",
    "std::thread",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::atomic",
    "parking_lot",
    "Instant::now",
    "SystemTime",
    "rand::",
    "tracing::",
    "async fn",
];

/// What the store may not name: time and threads are handed to it, so that tests step it by hand; files it reaches
/// through `disk` alone.
const STORE_IMPURE: [&str; 6] = ["tokio", "Instant::now", "SystemTime", "thread::spawn", "thread::Builder", "async fn"];

/// The only file of the store that may name the operating system's files.
const REAL_DISK: &str = "store/disk/real.rs";

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn code_of(top: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    let folder = root.join(top);
    if folder.is_dir() {
        sources(&folder, &mut paths);
    } else {
        paths.push(root.join(format!("{top}.rs")));
    }
    let code = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    paths.into_iter().map(|path| (path.clone(), code(&path))).collect()
}

#[test]
fn every_folder_imports_only_what_lies_below_it() {
    let tops: Vec<&str> = ARROWS.iter().map(|(top, _)| *top).collect();
    let mut wrong = Vec::new();
    for (top, allowed) in ARROWS {
        for (path, code) in code_of(top) {
            for other in tops.iter().filter(|other| !allowed.contains(other)) {
                if code.contains(&format!("crate::{other}")) {
                    wrong.push(format!("{} names crate::{other}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The load tool is for any broker, so it may know of this one nothing but the protocol.
#[test]
fn the_load_tool_names_nothing_of_the_broker() {
    let mut wrong = Vec::new();
    for (path, code) in code_of("cli/perf") {
        for (top, _) in ARROWS.iter().filter(|(top, _)| *top != "cli") {
            if code.contains(&format!("crate::{top}")) {
                wrong.push(format!("{} names crate::{top}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_machines_name_no_clock_task_file_socket_lock_chance_or_log() {
    let mut wrong = Vec::new();
    for (path, code) in code_of("broker") {
        for impure in IMPURE.iter().filter(|impure| code.contains(**impure)) {
            wrong.push(format!("{} names {impure}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_store_names_no_clock_thread_or_task_and_reaches_files_by_its_disk_alone() {
    let mut wrong = Vec::new();
    for (path, code) in code_of("store") {
        for impure in STORE_IMPURE.iter().filter(|impure| code.contains(**impure)) {
            wrong.push(format!("{} names {impure}", path.display()));
        }
        if code.contains("std::fs") && !path.ends_with(REAL_DISK) {
            wrong.push(format!("{} names std::fs", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
