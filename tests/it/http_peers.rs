//! Peers of the management API that mean ill or are slow, and how it ends.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::api::{Api, GUEST};
use crate::support::server::Server;

const PATIENCE: Duration = Duration::from_secs(20);

fn connect(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.management()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The first line of the answer; nothing when the server hangs up.
fn status(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut octet = [0];
    while !answer.ends_with(b"\r\n") {
        match socket.read(&mut octet) {
            Ok(0) | Err(_) => break,
            Ok(_) => answer.push(octet[0]),
        }
    }
    String::from_utf8(answer).unwrap().trim().to_owned()
}

fn head(method: &str, path: &str, rest: &str) -> String {
    format!("{method} /api{path} HTTP/1.1\r\nhost: x\r\nauthorization: {GUEST}\r\n{rest}\r\n")
}

#[test]
fn a_body_above_the_limit_is_refused_before_it_is_sent() {
    let server = Server::start();
    let mut socket = connect(&server);
    socket.write_all(head("PUT", "/queues/%2F/q", "content-length: 10000001\r\n").as_bytes()).unwrap();
    assert_eq!(status(&mut socket), "HTTP/1.1 400 Bad Request");
}

#[test]
fn a_body_of_unknown_length_is_refused_once_it_is_above_the_limit() {
    let server = Server::start();
    let mut socket = connect(&server);
    socket.write_all(head("PUT", "/queues/%2F/q", "transfer-encoding: chunked\r\n").as_bytes()).unwrap();
    let mut chunk = b"100000\r\n".to_vec();
    chunk.extend(vec![b' '; 0x10_0000]);
    chunk.extend(b"\r\n");
    // The server may stop reading at any time after the limit.
    for _ in 0..10 {
        if socket.write_all(&chunk).is_err() {
            break;
        }
    }
    assert_eq!(status(&mut socket), "HTTP/1.1 400 Bad Request");
}

#[test]
fn a_large_body_within_the_limit_is_taken() {
    let server = Server::start();
    let api = Api::of(&server);
    api.put("/queues/%2F/q", "{}");
    let request = json!({
        "properties": {}, "routing_key": "q", "payload": "x".repeat(9_000_000), "payload_encoding": "string",
    });
    assert_eq!(api.post("/exchanges/%2F/amq.default/publish", request.to_string()).body, json!({ "routed": true }));
    let wanted = r#"{"count": 5, "ackmode": "ack_requeue_false", "encoding": "auto"}"#;
    let got = api.post("/queues/%2F/q/get", wanted).body;
    assert_eq!(got[0]["payload"].as_str().unwrap().len(), 9_000_000);
}

#[test]
fn nobodys_body_is_read_who_is_not_logged_in() {
    let server = Server::start();
    let mut socket = connect(&server);
    socket.write_all(b"PUT /api/queues/%2F/q HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999\r\n\r\n").unwrap();
    assert_eq!(status(&mut socket), "HTTP/1.1 401 Unauthorized");
}

#[test]
fn what_is_no_request_is_refused_and_harms_nobody() {
    let server = Server::start();
    for bytes in [&b"AMQP\0\0\x09\x01"[..], b"\x16\x03\x01\x02\0\x01\0\x01\xFC", b"GET\r\n\r\n", &[0xFF; 1000]] {
        let mut socket = connect(&server);
        socket.write_all(bytes).unwrap();
        let _unread = socket.shutdown(Shutdown::Write);
        let status = status(&mut socket);
        assert!(status.is_empty() || status.starts_with("HTTP/1.1 400"), "{status}");
    }
    let mut socket = connect(&server);
    socket.write_all(b"GET /").unwrap();
    let endless = vec![b'x'; 1 << 20];
    // The server hangs up at some point.
    let _cut = socket.write_all(&endless);
    assert!(!status(&mut socket).contains("200"));
    assert_eq!(Api::of(&server).get("/whoami").status, 200);
}

#[test]
fn clients_that_never_finish_take_nobodys_turn() {
    let server = Server::start();
    let mut slow: Vec<_> = (0..100).map(|_| connect(&server)).collect();
    for (number, socket) in slow.iter_mut().enumerate() {
        if number % 2 == 0 {
            socket.write_all(b"GET /api/overview HTTP/1.1\r\nho").unwrap();
        } else {
            socket.write_all(head("PUT", "/queues/%2F/q", "content-length: 100\r\n").as_bytes()).unwrap();
        }
    }
    let begun = Instant::now();
    assert_eq!(Api::of(&server).get("/overview").status, 200);
    assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
}

#[test]
fn connections_have_a_limit_and_leave_room_when_they_end() {
    let server = Server::start();
    // One after the other: the system lets a client whose connection is not taken at once wait for many seconds.
    let sockets: Vec<_> = (0..512)
        .map(|_| {
            let mut socket = connect(&server);
            socket.write_all(head("GET", "/whoami", "").as_bytes()).unwrap();
            assert_eq!(status(&mut socket), "HTTP/1.1 200 OK");
            socket
        })
        .collect();
    let mut further = connect(&server);
    let _refused = further.write_all(head("GET", "/whoami", "").as_bytes());
    assert_eq!(status(&mut further), "", "there is no place for it");
    drop(sockets);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut next = connect(&server);
        let _refused = next.write_all(head("GET", "/whoami", "").as_bytes());
        if status(&mut next) == "HTTP/1.1 200 OK" {
            break;
        }
        assert!(Instant::now() < deadline, "their places are not given back");
    }
}

#[test]
fn paths_and_methods_that_are_not_there_are_told_apart() {
    let server = Server::start();
    let api = Api::of(&server);
    assert_eq!(api.get("/nonesuch").error(), (404, "Object Not Found", &json!("Not Found")));
    assert_eq!(api.delete("/overview").status, 405);
    assert_eq!(api.post("/queues/%2F", "").status, 405);
    let mut socket = connect(&server);
    socket.write_all(head("OPTIONS", "/queues/%2F/q", "connection: close\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("allow: GET,HEAD,PUT,DELETE"), "{answer}");
    let mut socket = connect(&server);
    socket.write_all(head("HEAD", "/whoami", "connection: close\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(answer.contains("cache-control: no-cache"), "{answer}");
}

#[test]
fn open_connections_and_begun_requests_hold_no_shutdown_up() {
    let mut server = Server::start();
    let (mut idle, mut begun) = (connect(&server), connect(&server));
    idle.write_all(head("GET", "/whoami", "").as_bytes()).unwrap();
    assert_eq!(status(&mut idle), "HTTP/1.1 200 OK");
    begun.write_all(head("PUT", "/queues/%2F/q", "content-length: 100\r\n").as_bytes()).unwrap();
    server.signal("TERM");
    let status = server.wait_for_exit(Duration::from_secs(5)).expect("it ends in time");
    assert!(status.success(), "{status}");
}

#[test]
fn the_api_can_be_turned_off() {
    let server = Server::start_with(&[("management.tcp.port", "none")]);
    assert!(!server.log().contains("management API"), "{}", server.log());
}
