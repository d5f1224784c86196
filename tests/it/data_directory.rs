//! A data directory that a server must not start on: it says why, ends with an exit code, and leaves everything as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::peer::{Peer, persistent};
use crate::support::commands::{declare, method, publish};
use crate::support::server::{Ending, Server};

/// A server with a durable queue, and a client whose publishes are confirmed.
fn filled(messages: u32) -> Server {
    let server = Server::start();
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs").flag("durable"), "queue.declare-ok");
    peer.call(1, &method("confirm.select"), "confirm.select-ok");
    for number in 0..messages {
        let body = format!("message {number} {}", ".".repeat(1000));
        peer.raw.send(&persistent(&publish("", "jobs"), body.as_bytes()));
        peer.expect("basic.ack");
    }
    server
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// Every file with its contents.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn a_second_server_on_the_same_data_says_who_has_it() {
    let server = Server::start();
    let second = server.refusal();
    assert_eq!(second.status.code(), Some(69), "{}", text(&second));
    let expected = format!(
        "the data directory {} is in use by another server (pid {})",
        server.directory().display(),
        server.pid()
    );
    assert!(text(&second).contains(&expected), "{}", text(&second));
    Peer::open(server.address());
}

#[test]
fn data_of_a_newer_format_is_refused() {
    let mut server = filled(1);
    server.end(Ending::Stop);
    let format = server.directory().join("FORMAT");
    let newer = std::fs::read_to_string(&format).unwrap().replace("format: 1", "format: 2");
    std::fs::write(&format, newer).unwrap();
    let before = contents(server.directory());
    let refused = server.refusal();
    assert_eq!(refused.status.code(), Some(69), "{}", text(&refused));
    assert!(text(&refused).contains("has format 2, and this version knows formats up to 1"), "{}", text(&refused));
    assert_same(&before, &contents(server.directory()));
}

#[test]
fn a_log_that_is_damaged_where_it_was_durable_is_refused_with_file_and_offset() {
    let mut server = filled(20);
    server.end(Ending::Kill);
    let (path, offset) = find(server.directory(), b"message 7 ");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[offset + 200] ^= 0x40;
    std::fs::write(&path, &bytes).unwrap();
    let before = contents(server.directory());
    for attempt in 1..=2 {
        let refused = server.refusal();
        let told = text(&refused);
        assert_eq!(refused.status.code(), Some(74), "attempt {attempt}: {told}");
        assert!(told.contains(path.file_name().unwrap().to_str().unwrap()), "attempt {attempt}: {told}");
        let after = told.split_once("damaged at offset ").expect(&told).1;
        let named: usize = after.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
        assert!((offset.saturating_sub(1024)..=offset).contains(&named), "{named} is not just before {offset}");
        assert_same(&before, &contents(server.directory()));
    }
    bytes[offset + 200] ^= 0x40;
    std::fs::write(&path, &bytes).unwrap();
    server.begin();
    let mut peer = Peer::open(server.address());
    let declared = peer.call(1, &declare("jobs").flag("durable"), "queue.declare-ok");
    assert_eq!(declared.number("message-count"), 20);
}

/// `leveret ctl store check`.
fn check(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command.args(["ctl", "store", "check", "--data-dir"]).arg(directory).args(arguments).output().unwrap()
}

/// Flips a bit in a message of a log that no server has open; where, as a name under the data directory.
fn damage(directory: &Path, message: &[u8]) -> (String, usize) {
    let (path, offset) = find(directory, message);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[offset + 200] ^= 0x40;
    std::fs::write(&path, &bytes).unwrap();
    (path.strip_prefix(directory).unwrap().display().to_string(), offset)
}

#[test]
fn a_check_counts_what_is_there_and_changes_not_a_byte() {
    for ending in [Ending::Stop, Ending::Kill] {
        let mut server = filled(20);
        server.end(ending);
        let before = contents(server.directory());
        let told = check(server.directory(), &[]);
        assert_eq!(told.status.code(), Some(0), "{}", text(&told));
        let lines = text(&told);
        for wanted in ["Nothing is damaged.", "Queues: 1\n", "log/", "Segments: 0"] {
            assert!(lines.contains(wanted), "{wanted} is missing in\n{lines}");
        }
        let row = lines.lines().find(|line| line.contains("  jobs  ")).expect(&lines);
        assert_eq!(row.split_whitespace().take(3).collect::<Vec<_>>(), ["/", "jobs", "20"]);
        let json: serde_json::Value = serde_json::from_slice(&check(server.directory(), &["--json"]).stdout).unwrap();
        assert_eq!(json["queues"][0]["messages"], 20);
        assert_eq!(json["queues"][0]["name"], "jobs");
        assert_eq!(json["damage"], serde_json::json!([]));
        assert!(json["log"][0]["records"].as_u64().unwrap() >= 20);
        assert_eq!(before, contents(server.directory()), "nothing has changed, LOCK and database included");
    }
}

#[test]
fn a_check_names_file_and_offset_of_what_is_damaged() {
    let mut server = filled(20);
    server.end(Ending::Kill);
    let (file, offset) = damage(server.directory(), b"message 7 ");
    let before = contents(server.directory());
    let told = check(server.directory(), &[]);
    assert_eq!(told.status.code(), Some(1), "{}", text(&told));
    let damaged = format!("{file} is damaged at offset ");
    assert!(text(&told).contains(&damaged) && text(&told).contains("records in"), "{}", text(&told));
    let json: serde_json::Value = serde_json::from_slice(&check(server.directory(), &["--json"]).stdout).unwrap();
    let found = &json["damage"][0];
    assert_eq!(found["file"], file.as_str());
    let named = usize::try_from(found["offset"].as_u64().unwrap()).unwrap();
    assert!((offset.saturating_sub(1024)..=offset).contains(&named), "{named} is not just before {offset}");
    assert_eq!(json["queues"][0]["messages"], 19);
    assert_eq!(before, contents(server.directory()));
}

#[test]
fn a_check_is_refused_while_a_server_uses_the_data_and_where_there_is_none() {
    let server = filled(1);
    let refused = check(server.directory(), &[]);
    assert_eq!(refused.status.code(), Some(69), "{}", text(&refused));
    assert!(text(&refused).contains(&format!("in use by another server (pid {})", server.pid())), "{}", text(&refused));
    let empty = tempfile::tempdir().unwrap();
    let refused = check(empty.path(), &[]);
    assert_eq!(refused.status.code(), Some(69), "{}", text(&refused));
    assert!(text(&refused).contains("has no FORMAT"), "{}", text(&refused));
    let nowhere = check(&empty.path().join("nowhere"), &[]);
    assert_eq!(nowhere.status.code(), Some(74), "{}", text(&nowhere));
    assert!(contents(empty.path()).is_empty());
}

#[test]
fn a_damaged_log_is_salvaged_only_when_asked_for_and_says_what_is_lost() {
    let mut server = filled(20);
    server.end(Ending::Kill);
    let (file, _) = damage(server.directory(), b"message 7 ");
    let refused = text(&server.refusal());
    for wanted in ["is damaged at offset", "backup", "leveret ctl store check --data-dir", "--recover=salvage"] {
        assert!(refused.contains(wanted), "{wanted} is missing in\n{refused}");
    }
    server.begin_with(&["--recover=salvage"]);
    assert!(server.log().contains(&format!("{file} is damaged at offset ")), "{}", server.log());
    assert_eq!(server.log().matches("records in").count(), 1, "each damage is told once:\n{}", server.log());
    let count = |server: &Server| {
        let mut peer = Peer::open(server.address());
        peer.call(1, &declare("jobs").flag("durable"), "queue.declare-ok").number("message-count")
    };
    assert_eq!(count(&server), 19);
    // What was damaged is left behind: the next start needs no salvage.
    server.restart(Ending::Stop);
    assert_eq!(count(&server), 19);
}

#[test]
fn a_log_that_was_taken_away_is_refused_and_salvage_says_what_is_lost() {
    for ending in [Ending::Stop, Ending::Kill] {
        let mut server = filled(20);
        server.end(ending);
        std::fs::remove_dir_all(server.directory().join("log")).unwrap();
        let refused = server.refusal();
        assert_eq!(refused.status.code(), Some(74), "{}", text(&refused));
        for wanted in ["log: the log's file number 1 is missing", "--recover=salvage"] {
            assert!(text(&refused).contains(wanted), "{wanted} is missing in\n{}", text(&refused));
        }
        let told = text(&check(server.directory(), &[]));
        assert!(told.contains("file number 1 is missing"), "{told}");
        server.begin_with(&["--recover=salvage"]);
        assert!(server.log().contains("file number 1 is missing, with all that was in it"), "{}", server.log());
        let count = |server: &Server| {
            let mut peer = Peer::open(server.address());
            peer.call(1, &declare("jobs").flag("durable"), "queue.declare-ok").number("message-count")
        };
        assert_eq!(count(&server), 0);
        server.restart(Ending::Kill);
        assert_eq!(count(&server), 0);
    }
}

#[test]
fn a_damaged_or_missing_database_is_refused_and_salvage_starts_empty_with_all_files_kept() {
    for missing in [false, true] {
        let mut server = filled(20);
        server.end(Ending::Stop);
        let database = server.directory().join("meta.redb");
        let whole = std::fs::read(&database).unwrap();
        if missing {
            std::fs::remove_file(&database).unwrap();
        } else {
            std::fs::write(&database, &whole[..whole.len() / 2]).unwrap();
        }
        let refused = server.refusal();
        assert_eq!(refused.status.code(), Some(74), "{}", text(&refused));
        for wanted in ["meta.redb, which says what was declared", "salvage can only start with nothing"] {
            assert!(text(&refused).contains(wanted), "{wanted} is missing in\n{}", text(&refused));
        }
        let log = contents(&server.directory().join("log"));
        server.begin_with(&["--recover=salvage"]);
        assert!(server.log().contains("All files are in damaged-1 now"), "{}", server.log());
        let mut peer = Peer::open(server.address());
        let count = peer.call(1, &declare("jobs").flag("durable"), "queue.declare-ok").number("message-count");
        assert_eq!(count, 0);
        server.end(Ending::Stop);
        // With a whole database everything can be brought back.
        for name in ["meta.redb", "log"] {
            let path = server.directory().join(name);
            if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) }.unwrap();
        }
        std::fs::rename(server.directory().join("damaged-1/log"), server.directory().join("log")).unwrap();
        assert!(contents(&server.directory().join("log")) == log);
        std::fs::write(&database, &whole).unwrap();
        server.begin();
        let mut peer = Peer::open(server.address());
        let count = peer.call(1, &declare("jobs").flag("durable"), "queue.declare-ok").number("message-count");
        assert_eq!(count, 20);
    }
}

/// Where some bytes are in a file of the log.
fn find(directory: &Path, bytes: &[u8]) -> (PathBuf, usize) {
    let files = contents(&directory.join("log"));
    let mut found = files.into_iter().filter_map(|(path, content)| {
        let offset = content.windows(bytes.len()).position(|window| window == bytes)?;
        Some((path, offset))
    });
    found.next().expect("it is in the log")
}

/// The lock file tells who had the directory last, and the database mends itself when it is opened after a kill.
fn assert_same(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (path, content) in before.iter().filter(|(path, _)| !path.ends_with("LOCK") && !path.ends_with("meta.redb")) {
        assert!(after[path] == *content, "{} has changed", path.display());
    }
}
