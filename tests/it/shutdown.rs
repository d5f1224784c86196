//! The end of a server: clients are told, and it ends whatever they do. And the beginning, where it cannot begin.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::client::{Broker, Client};
use crate::peer::Peer;
use crate::support::commands::{consume, declare, method, publish};
use crate::support::server::Server;

const FORCED: &str = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";

/// More than the server's own patience with clients that do not answer.
const SOON: Duration = Duration::from_secs(9);

#[test]
fn clients_are_told_and_the_process_ends_well() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start();
        let mut peers = [Peer::open(server.address()), Peer::open(server.address())];
        let began = Instant::now();
        server.signal(signal);
        for peer in &mut peers {
            assert_eq!(peer.close("connection.close"), (320, FORCED.to_owned()));
            peer.raw.send_method(0, &method("connection.close-ok"));
            assert!(peer.hangs_up());
        }
        let status = server.wait_for_exit(SOON).expect("it ends");
        assert_eq!(status.code(), Some(0), "after SIG{signal}");
        assert!(began.elapsed() < Duration::from_secs(4), "nobody is waited for: {:?}", began.elapsed());
    }
}

#[test]
fn clients_that_never_answer_do_not_hold_the_end_up() {
    let mut server = Server::start();
    let (mut mute, mut deaf) = (Peer::open(server.address()), Peer::open(server.address()));
    let _silent = Peer::connect(server.address());
    // One that has been sent more than it reads.
    deaf.call(1, &declare("jobs"), "queue.declare-ok");
    deaf.call(1, &consume("jobs", "deaf").flag("no-ack"), "basic.consume-ok");
    for _ in 0..64 {
        mute.publish(&publish("", "jobs"), &vec![b'.'; 1024 * 1024]);
    }
    mute.call(1, &declare("jobs"), "queue.declare-ok");
    server.signal("TERM");
    assert_eq!(mute.close("connection.close"), (320, FORCED.to_owned()));
    let status = server.wait_for_exit(SOON).expect("it ends");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::start();
    let mut mute = Peer::open(server.address());
    server.signal("TERM");
    mute.close("connection.close");
    server.signal("INT");
    let status = server.wait_for_exit(Duration::from_secs(4)).expect("it does not wait");
    assert_eq!(status.code(), Some(130));
}

#[test]
fn lapin_hears_of_the_end() {
    let mut broker = Broker { server: Server::start() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut consumer = runtime.block_on(async {
        let client = Client::on(&broker.connect().await).await;
        client.queue("jobs").await;
        client.consume("jobs").await
    });
    broker.server.signal("TERM");
    let told = runtime.block_on(crate::client::within(futures_util::StreamExt::next(&mut consumer)));
    assert_eq!(crate::client::reply(&told.unwrap().unwrap_err()), (320, FORCED.to_owned()));
    assert_eq!(broker.server.wait_for_exit(SOON).expect("it ends").code(), Some(0));
}

/// Runs a server that should give up at once.
fn failed(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command.arg("server").args(arguments).stdin(Stdio::null());
    command.output().expect("the program can be run")
}

#[test]
fn a_port_that_is_taken_is_named_and_the_exit_code_says_so() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let listener = format!("listeners.tcp.default={}", server.address());
    let output = failed(&[
        "--data-dir",
        directory.path().to_str().unwrap(),
        "--set",
        &listener,
        "--set",
        "management.tcp.port=none",
    ]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(text.contains(&format!("cannot listen on {}", server.address())), "{text}");
    assert!(text.contains("in use"), "{text}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("AMQP on"), "it does not claim to listen");
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = failed(&["--data-dir", file.to_str().unwrap(), "--set", "listeners.tcp.default=127.0.0.1:0"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_ne!(output.status.code(), Some(0), "{text}");
    assert!(text.contains(file.to_str().unwrap()), "{text}");
}
