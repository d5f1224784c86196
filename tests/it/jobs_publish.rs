//! Putting messages into queues over the jobs API, beside AMQP clients.

use std::time::{Duration, Instant};

use lapin::options::BasicAckOptions;
use serde_json::json;

use crate::api::Api;
use crate::client::{body, next, with_broker, with_lasting_broker, with_settings};
use crate::jobs_client::{Jobs, Reply};
use crate::support::server::Ending;

/// What a publish is refused with, which comes at once: the machine may be busy with other tests, so time is told by answers
/// that have nothing to wait for, turn by turn. A wait of a twentieth of a second shows where nothing else is going on, and
/// one of a few seconds anywhere.
fn refused_at_once(jobs: &Jobs, idle: &str) -> Reply {
    let timed = |ask: &dyn Fn() -> Reply| {
        let before = Instant::now();
        let reply = ask();
        (before.elapsed(), reply)
    };
    let (mut refusals, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let (took, empty) = timed(&|| jobs.take(idle, ""));
        assert_eq!(empty.status, 204);
        answers.push(took);
        refusals.push(timed(&|| jobs.publish("q", &[], b"one too many")));
    }
    answers.sort_unstable();
    refusals.sort_unstable_by_key(|(took, _)| *took);
    let (took, reply) = refusals.swap_remove(refusals.len() / 2);
    let other = answers[answers.len() / 2];
    assert!(took < other * 5 + Duration::from_millis(30), "a refusal takes {took:?}, another answer {other:?}");
    reply
}

#[test]
fn a_message_goes_to_its_consumer_as_it_is_with_its_properties() {
    with_broker(async |broker| {
        let (jobs, client) = (Jobs::of(&broker.server), broker.client().await);
        client.queue("a b").await;
        let mut consumer = client.consume("a b").await;
        let headers = [
            ("content-type", "image/png"),
            ("x-leveret-message-id", "id/1"),
            ("x-leveret-correlation-id", "c"),
            ("x-leveret-priority", "3"),
            ("x-leveret-expiration", "60000"),
            ("x-leveret-type", "resize"),
            ("x-leveret-headers", r#"{"width": 5}"#),
        ];
        let reply = jobs.publish("a%20b", &headers, &[0, 0xFF, 0xFE]);
        assert_eq!((reply.status, reply.json()), (201, json!({ "id": "id/1" })));
        assert_eq!(reply.header("location"), Some("/v1/queues/%2F/a%20b/jobs/id%2F1"));
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.data, [0, 0xFF, 0xFE]);
        let properties = &delivery.properties;
        let text = |text: &Option<lapin::types::ShortString>| text.as_ref().unwrap().as_str().to_owned();
        assert_eq!(text(properties.content_type()), "image/png");
        assert_eq!((text(properties.message_id()), text(properties.correlation_id())), ("id/1".into(), "c".into()));
        assert_eq!((text(properties.expiration()), text(properties.kind())), ("60000".into(), "resize".into()));
        assert_eq!((*properties.priority(), *properties.delivery_mode()), (Some(3), Some(1)), "the queue is transient");
        assert_eq!(properties.headers().as_ref().unwrap().inner().len(), 1);
    });
}

#[test]
fn a_message_is_safe_when_the_answer_comes_and_has_an_id_of_its_own() {
    with_lasting_broker(async |broker| {
        let jobs = Jobs::of(&broker.server);
        Api::of(&broker.server).put("/queues/%2F/q", r#"{"durable": true}"#);
        let ids: Vec<_> =
            ["safe", "too"].map(|body| jobs.publish("q", &[], body.as_bytes()).json()["id"].clone()).into();
        assert!(ids[0] != ids[1] && ids[0].as_str().unwrap().len() == 22);
        let transient = jobs.publish("q", &[("x-leveret-persistent", "false")], b"transient");
        assert_eq!(transient.status, 201);
        broker.server.restart(Ending::Kill);
        assert_eq!(broker.client().await.take_all("q").await, ["safe", "too"]);
    });
}

#[test]
fn who_does_not_want_to_wait_for_the_disk_is_answered_at_once() {
    with_lasting_broker(async |broker| {
        let jobs = Jobs::of(&broker.server);
        Api::of(&broker.server).put("/queues/%2F/q", r#"{"durable": true}"#);
        let reply = jobs.publish("q", &[("prefer", "wait=5, respond-async")], b"x");
        assert_eq!((reply.status, reply.header("preference-applied")), (202, Some("respond-async")));
        assert_eq!(broker.client().await.take_all("q").await, ["x"]);
    });
}

#[test]
fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    for overflow in ["block", "reject-publish"] {
        with_broker(async |broker| {
            let (jobs, api, client) = (Jobs::of(&broker.server), Api::of(&broker.server), broker.client().await);
            let arguments = json!({ "arguments": { "x-max-length": 10, "x-overflow": overflow } });
            api.put("/queues/%2F/q", &arguments.to_string());
            for number in 0..10 {
                assert_eq!(jobs.publish("q", &[], number.to_string().as_bytes()).status, 201);
            }
            api.put("/queues/%2F/idle", "{}");
            let reply = refused_at_once(&jobs, "idle");
            assert_eq!(reply.error(), (503, "queue_full".to_owned()), "{overflow}");
            assert_eq!(reply.header("retry-after"), Some("60"), "nothing moves");
            // Draining makes room, for AMQP publishers, too: nobody stands in the line who does not come any more.
            let mut consumer = client.consume("q").await;
            for number in 0..5 {
                let delivery = next(&mut consumer).await;
                assert_eq!(body(&delivery), number.to_string());
                delivery.ack(BasicAckOptions::default()).await.unwrap();
            }
            assert_eq!(jobs.publish("q", &[], b"10").status, 201);
            client.publish("", "q", "11").await;
            for number in 5..12 {
                let delivery = next(&mut consumer).await;
                assert_eq!(body(&delivery), number.to_string());
            }
        });
    }
}

#[test]
fn how_soon_to_come_back_follows_from_how_fast_the_queue_is_emptied() {
    with_broker(async |broker| {
        let (jobs, api, client) = (Jobs::of(&broker.server), Api::of(&broker.server), broker.client().await);
        api.put("/queues/%2F/q", r#"{"arguments": {"x-max-length": 100, "x-overflow": "reject-publish"}}"#);
        // What consumers took before counts.
        let bodies: Vec<_> = (0..100).map(|number| number.to_string()).collect();
        client.fill("q", &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert_eq!(client.take_all("q").await.len(), 100);
        client.fill("q", &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
        // The rate is looked at once every five seconds, and after half a second on demand.
        let shown = api.until("/queues/%2F/q", |queue| queue["drain_rate"].as_f64().unwrap() > 0.0);
        let (rate, wait) = (shown["drain_rate"].as_f64().unwrap(), shown["estimated_wait_ms"].as_f64().unwrap());
        assert!((wait - 100_000.0 / rate).abs() <= wait / 10.0, "{shown}");
        assert_eq!(shown["high_watermark"], json!({ "messages": 90, "bytes": null }));
        let reply = jobs.publish("q", &[], b"x");
        assert_eq!(reply.status, 503);
        let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..60).contains(&seconds), "{seconds}");
    });
}

#[test]
fn an_alarm_refuses_at_once() {
    with_settings(&[("disk_free_limit.absolute", "1000000TB")], async |broker| {
        Api::of(&broker.server).put("/queues/%2F/q", "{}");
        let reply = refused_at_once(&Jobs::of(&broker.server), "q");
        assert_eq!((reply.error(), reply.header("retry-after")), ((503, "blocked".to_owned()), Some("5")));
    });
}

#[test]
fn a_delay_wants_a_queue_that_holds_messages() {
    with_broker(async |broker| {
        let (jobs, api) = (Jobs::of(&broker.server), Api::of(&broker.server));
        api.put("/queues/%2F/plain", "{}");
        api.put("/queues/%2F/holding", r#"{"arguments": {"x-hold-until-header": "eta"}}"#);
        let delay = [("x-leveret-delay", "1500")];
        assert_eq!(jobs.publish("plain", &delay, b"x").error(), (400, "bad_request".to_owned()));
        let before = Instant::now();
        assert_eq!(jobs.publish("holding", &delay, b"x").status, 201);
        assert_eq!(jobs.take("holding", "").status, 204, "not yet");
        assert_eq!(jobs.take("holding", "wait=20").leased().1, "x");
        assert!(before.elapsed() >= Duration::from_millis(1500));
    });
}

#[test]
fn a_publish_that_makes_no_sense_is_refused() {
    with_settings(&[("max_message_size", "100")], async |broker| {
        let (jobs, api) = (Jobs::of(&broker.server), Api::of(&broker.server));
        api.put("/queues/%2F/q", "{}");
        let refused = |headers: &[(&str, &str)], body: &[u8]| jobs.publish("q", headers, body).error();
        let bad = (400, "bad_request".to_owned());
        assert_eq!(refused(&[("x-leveret-priorty", "3")], b""), bad);
        assert_eq!(refused(&[("x-leveret-priority", "256")], b""), bad);
        assert_eq!(refused(&[("x-leveret-headers", "{")], b""), bad);
        assert_eq!(refused(&[("x-leveret-user-id", "somebody")], b""), bad);
        assert_eq!(refused(&[("x-leveret-message-id", &"x".repeat(256))], b""), bad);
        assert_eq!(refused(&[], &[0; 101]), (413, "too_large".to_owned()));
        assert_eq!(jobs.publish("nonesuch", &[], b"").error(), (404, "not_found".to_owned()));
        assert_eq!(jobs.request("POST", "/queues/nov/q/messages", &[], b"").error(), (404, "not_found".to_owned()));
        assert_eq!(jobs.request("PUT", "/queues/%2F/q/messages", &[], b"").status, 405);
        assert_eq!(jobs.with("Basic !!!").publish("q", &[], b"").status, 401);
        assert_eq!(api.get("/queues/%2F/q").body["messages"], 0);
    });
}

#[test]
fn who_may_not_write_puts_nothing_in_and_who_may_not_read_takes_nothing_out() {
    // By default everybody may configure: the queue is there.
    let nobody = [("default_permissions.write", "^$"), ("default_permissions.read", "^$")];
    with_settings(&nobody, async |broker| {
        let jobs = Jobs::of(&broker.server);
        broker.client().await.queue("q").await;
        let refused = (403, "access_refused".to_owned());
        assert_eq!(jobs.publish("q", &[], b"x").error(), refused);
        assert_eq!(jobs.publish("nonesuch", &[], b"x").error(), refused, "no more is told");
        assert_eq!(jobs.take("q", "").error(), refused);
    });
}
