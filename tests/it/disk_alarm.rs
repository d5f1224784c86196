//! The disk alarm on a small file system of its own: who publishes is blocked and told so, who consumes makes room, and
//! nothing that was sent is lost.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use tempfile::TempDir;

use crate::backlog::{number, numbered, ready};
use crate::client::PATIENCE;
use crate::peer::{Peer, persistent};
use crate::support::commands::{
    ack, bind, consume, declare, declare_exchange, declare_passive, delete, delete_exchange, method, publish, purge,
    unbind,
};
use crate::support::raw::{Event, Handshake};
use crate::support::server::{Ending, Server};

const MB: usize = 1_000_000;

/// Bytes of a message.
const SIZE: usize = 10_000;

/// A file system in memory, mounted while this is there.
struct SmallDisk {
    directory: TempDir,
}

impl SmallDisk {
    /// `None`, with the reason on standard error, where this process must not mount.
    fn mount(megabytes: usize) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let size = format!("size={}", megabytes * MB);
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory.path()).output();
        let reason = match mount {
            Ok(output) if output.status.success() => return Some(Self { directory }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        let _ = writeln!(std::io::stderr(), "skipped, since no file system can be mounted: {}", reason.trim());
        None
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn free(&self) -> usize {
        let output = Command::new("df").args(["--output=avail", "-B1"]).arg(self.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().nth(1).unwrap().trim().parse().unwrap()
    }

    /// Fills it up with a file until nothing is free; the file.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file = File::create(&path).unwrap();
        for piece in [MB, 4096] {
            let zeros = vec![0; piece];
            while file.write_all(&zeros).is_ok() {}
        }
        assert_eq!(self.free(), 0);
        path
    }

    /// Fills it up with a file until so much is free; the file.
    fn leave(&self, free: usize) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file = File::create(&path).unwrap();
        let zeros = vec![0; MB];
        while self.free() > free {
            file.write_all(&zeros).unwrap();
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.directory.path()).status());
    }
}

/// Whether the server says this within the time that anything may take.
fn says(server: &Server, words: &str) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if server.log().contains(words) {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

/// Waits until the server keeps room back.
fn keeps_room(server: &Server) {
    crate::memory::wait_until("room is kept back", || server.directory().join("reserve").exists());
}

/// A publisher with confirms and a heartbeat every second. Here and below, a server takes 202 MB for itself: a file of
/// the log, one that is ready, and what it keeps back for a full disk.
fn publisher(server: &Server) -> Peer {
    let mut peer = Peer::connect(server.address());
    peer.handshake(&Handshake { heartbeat: 1, ..Handshake::default() });
    peer.expect("connection.open-ok");
    peer.call(1, &method("channel.open"), "channel.open-ok");
    peer.call(1, &method("confirm.select"), "confirm.select-ok");
    peer
}

fn send(peer: &mut Peer, numbers: std::ops::Range<usize>) {
    for number in numbers {
        peer.raw.send(&persistent(&publish("", "jobs"), &numbered(number, SIZE)));
    }
}

/// Waits until everything up to this publish is confirmed.
fn confirmed(peer: &mut Peer, last: u64) {
    let mut through = 0;
    while through < last {
        let confirm = peer.expect("basic.ack");
        through = confirm.number("delivery-tag");
    }
    assert_eq!(through, last);
}

/// Takes and acks these messages, in their order.
fn take(consumer: &mut Peer, numbers: std::ops::Range<usize>) {
    for expected in numbers {
        let (deliver, body) = consumer.delivery();
        assert_eq!((number(&body), body.len()), (expected, SIZE));
        consumer.raw.send_method(1, &ack(deliver.number("delivery-tag")));
    }
}

#[test]
fn publishers_wait_while_the_disk_is_nearly_full_and_nothing_they_sent_is_lost() {
    let Some(disk) = SmallDisk::mount(400) else { return };
    let server = Server::start_under(disk.path(), &[("disk_free_limit.absolute", "100MB")]);
    let (mut early, mut consumer) = (Peer::open(server.address()), Peer::open(server.address()));
    consumer.call(1, &declare("jobs").flag("durable"), "queue.declare-ok");
    early.call(1, &method("confirm.select"), "confirm.select-ok");
    send(&mut early, 0..100);
    confirmed(&mut early, 100);

    let ballast = disk.leave(80 * MB);
    assert!(says(&server, "disk resource limit alarm set"), "{}", server.log());
    // Not before: it says nothing of its own accord, and would be missed while the disk fills.
    let mut publisher = publisher(&server);
    send(&mut publisher, 100..150);
    assert_eq!(publisher.expect("connection.blocked").text("reason"), "low on disk");

    // Whoever consumes goes on, and acks make what is in the queue go away.
    consumer.call(1, &consume("jobs", "eater"), "basic.consume-ok");
    take(&mut consumer, 0..100);
    assert_eq!(ready(&mut consumer, "jobs"), 0, "nothing that came after the alarm is in the queue");

    // A connection that is new works until it publishes.
    let mut late = self::publisher(&server);
    assert_eq!(ready(&mut late, "jobs"), 0);
    late.raw.send(&persistent(&publish("", "jobs"), &numbered(150, SIZE)));
    assert_eq!(late.expect("connection.blocked").text("reason"), "low on disk");

    // Nobody is missed for saying nothing: so much time passes as would end either of them.
    for peer in [&mut publisher, &mut late] {
        for _ in 0..4 {
            assert_eq!(peer.raw.next(PATIENCE), Event::Heartbeat { channel: 0 });
        }
    }

    std::fs::remove_file(ballast).unwrap();
    publisher.expect("connection.unblocked");
    late.expect("connection.unblocked");
    confirmed(&mut publisher, 50);
    confirmed(&mut late, 1);
    assert!(says(&server, "disk resource limit alarm cleared"), "{}", server.log());
    let mut numbers = Vec::new();
    for _ in 100..=150 {
        let (deliver, body) = consumer.delivery();
        numbers.push(number(&body));
        consumer.raw.send_method(1, &ack(deliver.number("delivery-tag")));
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(100..=150));
    assert_eq!(server.log().matches("alarm set").count(), 1);
}

#[test]
fn a_server_that_starts_on_a_nearly_full_disk_takes_no_publish() {
    let Some(disk) = SmallDisk::mount(400) else { return };
    let ballast = disk.leave(150 * MB);
    let server = Server::start_under(disk.path(), &[("disk_free_limit.absolute", "140MB")]);
    let mut publisher = publisher(&server);
    publisher.call(1, &declare("jobs").flag("durable"), "queue.declare-ok");
    send(&mut publisher, 0..1);
    assert_eq!(publisher.expect("connection.blocked").text("reason"), "low on disk");
    std::fs::remove_file(ballast).unwrap();
    publisher.expect("connection.unblocked");
    confirmed(&mut publisher, 1);
}

#[test]
fn a_disk_too_small_for_another_log_file_is_an_alarm_and_not_an_end() {
    let Some(disk) = SmallDisk::mount(330) else { return };
    // What is ready fits, another one does not; the limit alone would not say anything.
    let server = Server::start_under(disk.path(), &[("disk_free_limit.absolute", "1MB")]);
    keeps_room(&server);
    let ballast = disk.leave(20 * MB);
    let mut publisher = publisher(&server);
    publisher.call(1, &declare("jobs").flag("durable"), "queue.declare-ok");
    let mut sent = 0;
    while !server.log().contains("disk resource limit alarm set") {
        send(&mut publisher, sent..sent + 100);
        sent += 100;
        assert!(sent < 6400, "a file is full, and no word of it");
    }
    std::fs::remove_file(ballast).unwrap();
    assert!(says(&server, "disk resource limit alarm cleared"), "{}", server.log());
    let mut consumer = Peer::open(server.address());
    consumer.call(1, &consume("jobs", "eater"), "basic.consume-ok");
    take(&mut consumer, 0..sent);
}

#[test]
fn on_a_wholly_full_disk_who_makes_room_goes_on_and_who_declares_is_refused() {
    const QUEUES: [&str; 3] = ["jobs", "purged", "doomed"];
    let Some(disk) = SmallDisk::mount(340) else { return };
    let mut server = Server::start_under(disk.path(), &[("disk_free_limit.absolute", "1MB")]);
    keeps_room(&server);
    let mut peer = Peer::open(server.address());
    peer.call(1, &method("confirm.select"), "confirm.select-ok");
    for queue in QUEUES {
        peer.call(1, &declare(queue).flag("durable"), "queue.declare-ok");
        peer.call(1, &bind(queue, "amq.fanout", ""), "queue.bind-ok");
    }
    peer.call(1, &declare_exchange("passing", "fanout").flag("durable"), "exchange.declare-ok");
    for number in 0..20 {
        peer.raw.send(&persistent(&publish("amq.fanout", ""), &numbered(number, SIZE)));
    }
    confirmed(&mut peer, 20);

    let ballast = disk.fill();
    let name = |number: usize| format!("{number}{}", ".".repeat(200));
    let mut declared = 0;
    let (code, text) = loop {
        let mut declarer = Peer::open(server.address());
        declarer.raw.send_method(1, &declare(&name(declared)).flag("durable"));
        match declarer.event() {
            Event::Method { method, .. } if method.name == "queue.declare-ok" => declared += 1,
            Event::Method { method, .. } => break (method.number("reply-code"), method.text("reply-text")),
            other => panic!("{other:?}"),
        }
        assert!(declared < 10_000, "there is room");
    };
    assert_eq!((code, text.as_str()), (541, "INTERNAL_ERROR - no space left on the disk to store what was declared"));
    assert!(says(&server, "disk resource limit alarm set"), "{}", server.log());

    // Whoever makes room goes on.
    assert_eq!(peer.call(1, &delete("doomed"), "queue.delete-ok").number("message-count"), 20);
    assert_eq!(peer.call(1, &purge("purged"), "queue.purge-ok").number("message-count"), 20);
    peer.call(1, &unbind("purged", "amq.fanout", ""), "queue.unbind-ok");
    peer.call(1, &delete_exchange("passing"), "exchange.delete-ok");
    for number in 0..declared {
        peer.call(1, &delete(&name(number)), "queue.delete-ok");
    }
    assert!(server.log().contains("that were kept back are in use now"), "{}", server.log());
    peer.call(1, &declare("jobs").flag("durable"), "queue.declare-ok");
    peer.call(1, &declare("passing by"), "queue.declare-ok");
    peer.call(1, &consume("jobs", "eater"), "basic.consume-ok");
    take(&mut peer, 0..20);

    // What was answered is so after a start on the full disk, and what was refused has not happened.
    peer.call(1, &method("channel.close"), "channel.close-ok");
    server.restart(Ending::Stop);
    let mut peer = Peer::open(server.address());
    assert_eq!(QUEUES[..2].iter().map(|queue| ready(&mut peer, queue)).collect::<Vec<_>>(), [0, 0]);
    for gone in ["doomed", &name(declared)] {
        let mut other = Peer::open(server.address());
        other.raw.send_method(1, &declare_passive(gone));
        assert_eq!(other.close("channel.close").0, 404, "{gone}");
    }

    std::fs::remove_file(ballast).unwrap();
    keeps_room(&server);
    peer.call(1, &declare("new").flag("durable"), "queue.declare-ok");
}
