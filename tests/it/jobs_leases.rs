//! Taking messages out on leases over the jobs API, and what becomes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lapin::options::QueueDeclareOptions;
use serde_json::{Value, json};

use crate::api::Api;
use crate::client::{with_broker, with_lasting_broker};
use crate::jobs_client::Jobs;
use crate::support::server::{Ending, Server};

/// A server with a queue `q`.
fn with_queue() -> (Server, Jobs, Api) {
    let server = Server::start();
    let (jobs, api) = (Jobs::of(&server), Api::of(&server));
    assert_eq!(api.put("/queues/%2F/q", "{}").status, 201);
    (server, jobs, api)
}

fn counts(api: &Api) -> (Value, Value) {
    let queue = api.get("/queues/%2F/q").body;
    (queue["messages_ready"].clone(), queue["messages_unacknowledged"].clone())
}

#[test]
fn a_message_comes_as_it_is_and_is_done_when_its_lease_is_deleted() {
    let (_server, jobs, api) = with_queue();
    let properties =
        [("content-type", "text/plain"), ("x-leveret-message-id", "m"), ("x-leveret-headers", r#"{"k":1}"#)];
    jobs.publish("q", &properties, b"resize");
    let reply = jobs.take("q", "lease=60");
    let (lease, body) = reply.leased();
    assert_eq!(body, "resize");
    for (name, value) in properties {
        assert_eq!(reply.header(name), Some(value));
    }
    assert_eq!(
        (reply.header("x-leveret-redelivered"), reply.header("x-leveret-lease-seconds")),
        (Some("false"), Some("60"))
    );
    assert_eq!(reply.header("content-security-policy"), Some("sandbox"), "whatever it is, no browser runs it");
    assert_eq!(counts(&api), (json!(0), json!(1)));
    assert_eq!(jobs.ack(&lease).status, 204);
    assert_eq!(jobs.ack(&lease).error(), (404, "not_found".to_owned()), "once");
    assert_eq!(counts(&api), (json!(0), json!(0)));
}

#[test]
fn a_request_for_headers_alone_takes_nothing() {
    let (_server, jobs, api) = with_queue();
    jobs.publish("q", &[], b"x");
    assert_eq!(jobs.request("HEAD", "/queues/%2F/q/messages", &[], b"").status, 405);
    assert_eq!(counts(&api), (json!(1), json!(0)));
}

#[test]
fn a_lease_can_be_ended_while_it_is_extended() {
    let (_server, jobs, api) = with_queue();
    for _ in 0..20 {
        jobs.publish("q", &[], b"x");
        let (lease, _) = jobs.take("q", "lease=60").leased();
        let extending = thread::spawn({
            let (jobs, lease) = (jobs.clone(), lease.clone());
            move || while jobs.extend(&lease, 60).status == 204 {}
        });
        assert_eq!(jobs.ack(&lease).status, 204, "it is there at every moment");
        extending.join().unwrap();
    }
    assert_eq!(counts(&api), (json!(0), json!(0)));
}

#[test]
fn many_leases_that_end_together_all_come_back() {
    let (_server, jobs, api) = with_queue();
    for number in 0..200 {
        jobs.publish("q", &[], number.to_string().as_bytes());
    }
    for _ in 0..2 {
        assert_eq!(jobs.take("q", "max=100&lease=1").json()["messages"].as_array().unwrap().len(), 100);
    }
    assert_eq!(counts(&api), (json!(0), json!(200)));
    api.until("/queues/%2F/q", |queue| queue["messages_ready"] == 200);
    assert_eq!(jobs.take("q", "").leased().1, "0");
}

#[test]
fn several_messages_come_as_json_and_end_together() {
    let (_server, jobs, api) = with_queue();
    for number in 0..5 {
        jobs.publish("q", &[("x-leveret-type", "t")], number.to_string().as_bytes());
    }
    let messages = jobs.take("q", "max=3").json()["messages"].clone();
    let bodies: Vec<_> = messages.as_array().unwrap().iter().map(|message| message["body"].clone()).collect();
    assert_eq!(bodies, ["MA==", "MQ==", "Mg=="]);
    assert_eq!((&messages[0]["properties"]["type"], &messages[0]["routing_key"]), (&json!("t"), &json!("q")));
    let lease = |at: usize| messages[at]["lease"].as_str().unwrap().to_owned();
    let all = |method: &str, path: &str, change: Value| {
        let mut body = json!({ "leases": [lease(0), "nonesuch"] });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        jobs.request(method, path, &[], body.to_string().as_bytes()).json()
    };
    let expected = json!({ "done": 1, "ended": ["nonesuch"] });
    assert_eq!(all("PATCH", "/leases", json!({ "lease": 60 })), expected);
    assert_eq!(all("POST", "/leases/nack", json!({ "requeue": true })), expected);
    let body = json!({ "leases": [lease(1), lease(2)] }).to_string();
    assert_eq!(jobs.request("POST", "/leases/ack", &[], body.as_bytes()).json(), json!({ "done": 2, "ended": [] }));
    assert_eq!(counts(&api), (json!(3), json!(0)));
    assert_eq!(jobs.take("q", "").leased().1, "0", "back to its place");
}

#[test]
fn a_message_comes_back_when_its_lease_ends() {
    let (_server, jobs, api) = with_queue();
    jobs.publish("q", &[], b"x");
    let before = Instant::now();
    let (lease, _) = jobs.take("q", "lease=1").leased();
    let reply = jobs.take("q", "wait=20");
    assert!(before.elapsed() >= Duration::from_secs(1));
    assert_eq!((reply.leased().1.as_str(), reply.header("x-leveret-redelivered")), ("x", Some("true")));
    assert_eq!(jobs.ack(&lease).status, 404, "somebody else has it now");
    assert_eq!(counts(&api), (json!(0), json!(1)));
}

#[test]
fn a_lease_that_is_extended_goes_on() {
    let (_server, jobs, _) = with_queue();
    jobs.publish("q", &[], b"x");
    let (lease, _) = jobs.take("q", "lease=1").leased();
    assert_eq!(jobs.extend(&lease, 60).status, 204);
    assert_eq!(jobs.take("q", "wait=2").status, 204, "it has not come back");
    assert_eq!(jobs.extend(&lease, 1).status, 204, "it can be made shorter, too");
    assert_eq!(jobs.take("q", "wait=20").leased().1, "x");
}

#[test]
fn a_message_that_is_given_back_comes_again_now_or_later_or_dies() {
    let (_server, jobs, api) = with_queue();
    api.put("/queues/%2F/dead", "{}");
    let dying =
        r#"{"arguments": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead", "x-delivery-limit": 3}}"#;
    api.put("/queues/%2F/d", dying);
    jobs.publish("d", &[], b"x");
    let take = |asked: &str| jobs.take("d", asked).leased().0;
    assert_eq!(jobs.nack(&take(""), "").status, 204);
    let lease = take("");
    let before = Instant::now();
    assert_eq!(jobs.nack(&lease, r#"{"delay": 1}"#).status, 204);
    assert_eq!(jobs.ack(&lease).status, 404, "it is out of its hands");
    let lease = take("wait=20");
    assert!(before.elapsed() >= Duration::from_secs(1));
    assert_eq!(jobs.nack(&lease, r#"{"requeue": false}"#).status, 204);
    let reply = jobs.take("dead", "wait=20");
    assert_eq!(reply.leased().1, "x");
    assert!(reply.header("x-leveret-headers").unwrap().contains("rejected"), "{:?}", reply.headers);
}

#[test]
fn deliveries_that_fail_count() {
    let (_server, jobs, api) = with_queue();
    api.put("/queues/%2F/once", r#"{"arguments": {"x-delivery-limit": 1}}"#);
    jobs.publish("once", &[], b"x");
    for _ in 0..2 {
        assert_eq!(jobs.nack(&jobs.take("once", "").leased().0, "{}").status, 204);
    }
    assert_eq!(jobs.take("once", "").status, 204);
}

#[test]
fn a_request_that_waits_gets_what_comes_and_consumers_are_not_passed_over() {
    with_broker(async |broker| {
        let (jobs, client) = (Jobs::of(&broker.server), broker.client().await);
        client.queue("q").await;
        let waiting = thread::spawn({
            let jobs = jobs.clone();
            move || jobs.take("q", "wait=30").leased().1
        });
        client.publish("", "q", "one").await;
        assert_eq!(waiting.join().unwrap(), "one");
        let mut consumer = client.consume("q").await;
        assert_eq!(jobs.publish("q", &[], b"two").status, 201);
        assert_eq!(crate::client::body(&crate::client::next(&mut consumer).await), "two");
        assert_eq!(jobs.take("q", "").status, 204);
    });
}

#[test]
fn each_message_wakes_somebody_who_waits() {
    let (_server, jobs, api) = with_queue();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let jobs = jobs.clone();
            thread::spawn(move || jobs.take("q", "wait=30&lease=600").leased().1)
        })
        .collect();
    for number in 0..20 {
        jobs.publish("q", &[], number.to_string().as_bytes());
    }
    let mut bodies: Vec<u32> = waiting.into_iter().map(|waiting| waiting.join().unwrap().parse().unwrap()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, (0..20).collect::<Vec<_>>());
    assert_eq!(counts(&api), (json!(0), json!(20)));
}

#[test]
fn what_is_leased_comes_back_after_a_kill_and_after_a_stop() {
    for ending in [Ending::Kill, Ending::Stop] {
        with_lasting_broker(async |broker| {
            let client = broker.client().await;
            client.declare("q", QueueDeclareOptions { durable: true, ..Default::default() }).await.unwrap();
            drop(client);
            let jobs = Jobs::of(&broker.server);
            for body in ["one", "two", "three"] {
                assert_eq!(jobs.publish("q", &[], body.as_bytes()).status, 201);
            }
            let done = jobs.take("q", "lease=3600").leased().0;
            let (held, _) = jobs.take("q", "lease=3600").leased();
            assert_eq!(jobs.ack(&done).status, 204);
            // What comes after it in the log is on the disk, and so it is.
            assert_eq!(jobs.publish("q", &[], b"four").status, 201);
            broker.server.restart(ending);
            let jobs = Jobs::of(&broker.server);
            assert_eq!(jobs.ack(&held).status, 404);
            let messages = jobs.take("q", "max=10&wait=10").json()["messages"].clone();
            let bodies: Vec<_> = messages.as_array().unwrap().iter().map(|message| message["body"].clone()).collect();
            assert_eq!(bodies, ["dHdv", "dGhyZWU=", "Zm91cg=="], "{ending:?}");
            if matches!(ending, Ending::Stop) {
                assert_eq!((&messages[0]["redelivered"], &messages[1]["redelivered"]), (&json!(true), &json!(false)));
            }
        });
    }
}

#[test]
fn a_lease_outlasts_the_time_that_the_queue_gives_to_consumers() {
    let (_server, jobs, api) = with_queue();
    api.put("/queues/%2F/hasty", r#"{"arguments": {"x-consumer-timeout": 1000}}"#);
    jobs.publish("hasty", &[], b"x");
    let (lease, _) = jobs.take("hasty", "lease=60").leased();
    assert_eq!(jobs.take("hasty", "wait=3").status, 204, "it stays with who has it");
    assert_eq!(jobs.ack(&lease).status, 204);
}

#[test]
fn a_lease_of_a_deleted_queue_has_ended() {
    let (_server, jobs, api) = with_queue();
    jobs.publish("q", &[], b"x");
    let (lease, _) = jobs.take("q", "").leased();
    assert_eq!(api.delete("/queues/%2F/q").status, 204);
    assert_eq!(jobs.ack(&lease).status, 404);
    let waits = jobs.take("q", "wait=1");
    assert_eq!(waits.error(), (404, "not_found".to_owned()));
}

#[test]
fn a_request_that_waits_hears_that_its_queue_is_gone() {
    let (_server, jobs, api) = with_queue();
    let waiting = thread::spawn(move || jobs.take("q", "wait=40").error());
    // It may come before the request does; that hears of it then, too.
    assert_eq!(api.delete("/queues/%2F/q").status, 204);
    assert_eq!(waiting.join().unwrap(), (404, "not_found".to_owned()));
}

#[test]
fn a_request_for_messages_that_makes_no_sense_is_refused() {
    let (_server, jobs, _) = with_queue();
    let bad = (400, "bad_request".to_owned());
    for asked in ["wait=51", "wait=x", "lease=0", "lease=43201", "max=0", "max=101", "wait=-1"] {
        assert_eq!(jobs.take("q", asked).error(), bad, "{asked}");
    }
    jobs.publish("q", &[], b"x");
    let (lease, _) = jobs.take("q", "").leased();
    for body in
        ["[", r#"{"delay": -1}"#, r#"{"delay": 43201}"#, r#"{"requeue": 5}"#, r#"{"requeue": false, "delay": 1}"#]
    {
        assert_eq!(jobs.nack(&lease, body).error(), bad, "{body}");
    }
    assert_eq!(jobs.request("PATCH", &format!("/leases/{lease}"), &[], b"{}").error(), bad);
    assert_eq!(jobs.extend(&lease, 0).error(), bad);
    for body in ["{}", r#"{"leases": "x"}"#, r#"{"leases": [1]}"#] {
        assert_eq!(jobs.request("POST", "/leases/ack", &[], body.as_bytes()).error(), bad, "{body}");
    }
    assert_eq!(jobs.ack(&lease).status, 204, "it has been left alone");
    assert_eq!(jobs.with("Basic Z3Vlc3Q6d3Jvbmc=").ack(&lease).status, 401);
}

#[test]
fn a_flood_of_requests_that_wait_leaves_room_for_others() {
    let (server, jobs, api) = with_queue();
    let (refused, served) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let flood: Vec<_> = (0..250)
        .map(|_| {
            let (jobs, refused, served) = (Jobs::of(&server), Arc::clone(&refused), Arc::clone(&served));
            thread::spawn(move || {
                let reply = jobs.take("q", "wait=40&lease=600");
                if reply.status == 503 {
                    assert_eq!(reply.error().1, "too_many_requests_wait");
                    assert_eq!(reply.header("retry-after"), Some("1"));
                    refused.fetch_add(1, Ordering::Relaxed);
                } else {
                    reply.leased();
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let deadline = Instant::now() + Duration::from_secs(30);
    while refused.load(Ordering::Relaxed) < 58 {
        assert!(Instant::now() < deadline, "{refused:?} refused");
        thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(api.get("/overview").status, 200);
    for number in 0..192 {
        assert_eq!(jobs.publish("q", &[], number.to_string().as_bytes()).status, 201);
    }
    for request in flood {
        request.join().unwrap();
    }
    assert_eq!((refused.load(Ordering::Relaxed), served.load(Ordering::Relaxed)), (58, 192));
    assert_eq!(counts(&api), (json!(0), json!(192)));
}

#[test]
fn who_goes_away_while_waiting_takes_nothing_along() {
    use std::io::Write as _;
    let (server, jobs, api) = with_queue();
    let mut socket = std::net::TcpStream::connect(server.management()).unwrap();
    let head = format!(
        "GET /v1/queues/%2F/q/messages?wait=40 HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\r\n",
        crate::api::GUEST
    );
    socket.write_all(head.as_bytes()).unwrap();
    // It is under way once another that came later waits, too, and is refused nothing.
    assert_eq!(jobs.take("q", "wait=1").status, 204);
    drop(socket);
    assert_eq!(jobs.take("q", "wait=1").status, 204);
    jobs.publish("q", &[], b"x");
    assert_eq!(jobs.take("q", "wait=20").leased().1, "x");
    assert_eq!(counts(&api), (json!(0), json!(1)));
}
