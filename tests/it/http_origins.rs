//! Pages of other origins in a browser that knows a password: what it sends for them changes nothing.

use serde_json::json;

use crate::client::{with_broker, with_settings};
use crate::jobs_client::Jobs;

const FOREIGN: (&str, &str) = ("origin", "https://evil.example");

#[test]
fn a_page_of_another_origin_puts_no_message_into_a_queue_and_takes_none_out() {
    with_broker(async |broker| {
        let (jobs, api) = (Jobs::of(&broker.server), Jobs::under(&broker.server, "api"));
        let client = broker.client().await;
        client.queue("q").await;
        client.fill("q", &["first"]).await;
        let reason = "a page of https://evil.example must not change anything here; management.cors.allow_origins.1 = \
                      ORIGIN would let it";
        let expected = json!({ "error": "forbidden", "reason": reason });
        // As browsers send them without asking first.
        let plain = [FOREIGN, ("content-type", "text/plain")];
        let publish = r#"{"routing_key": "q", "payload": "x", "payload_encoding": "string", "properties": {}}"#;
        for refused in [
            jobs.request("POST", "/queues/%2F/q/messages", &plain, b"x"),
            api.request("POST", "/exchanges/%2F/amq.default/publish", &plain, publish.as_bytes()),
            api.request("POST", "/queues/%2F/q/get", &plain, br#"{"count": 1, "ackmode": "ack_requeue_false"}"#),
            api.request("DELETE", "/queues/%2F/q", &plain, b""),
            jobs.request("GET", "/queues/%2F/q/messages", &[FOREIGN], b""),
        ] {
            assert_eq!((refused.status, refused.json()), (403, expected.clone()));
        }
        let picture = jobs.request("GET", "/queues/%2F/q/messages", &[("sec-fetch-site", "cross-site")], b"");
        assert_eq!(picture.error(), (403, "forbidden".to_owned()));
        assert_eq!(client.take_all("q").await, ["first"]);
        let seen = api.request("GET", "/queues/%2F/q", &[FOREIGN], b"");
        assert_eq!((seen.status, seen.header("access-control-allow-origin")), (200, None), "which no page gets to see");
    });
}

#[test]
fn a_page_of_the_same_host_may_do_what_its_user_may() {
    with_broker(async |broker| {
        let jobs = Jobs::of(&broker.server);
        broker.client().await.queue("q").await;
        let own = format!("http://{}", broker.server.management());
        assert_eq!(jobs.publish("q", &[("origin", &own)], b"x").status, 201);
        assert_eq!(jobs.request("GET", "/queues/%2F/q/messages", &[("origin", &own)], b"").status, 200);
    });
}

#[test]
fn an_allowed_origin_is_told_so_and_may_do_what_its_user_may() {
    let settings = [
        ("management.cors.allow_origins.1", "https://console.example"),
        ("management.cors.allow_origins.2", "http://localhost:3000"),
    ];
    with_settings(&settings, async |broker| {
        let jobs = Jobs::of(&broker.server);
        broker.client().await.queue("q").await;
        let from = ("origin", "http://localhost:3000");
        let method = ("access-control-request-method", "POST");
        let asked = [from, method, ("access-control-request-headers", "authorization,x-leveret-priority")];
        let allowed = jobs.request("OPTIONS", "/queues/%2F/q/messages", &asked, b"");
        assert_eq!(allowed.status, 200);
        assert_eq!(allowed.header("access-control-allow-headers"), Some("authorization,x-leveret-priority"));
        assert_eq!(allowed.header("access-control-allow-methods"), Some("POST"));
        assert_eq!(allowed.header("access-control-max-age"), Some("1800"));
        let published = jobs.publish("q", &[from], b"x");
        assert_eq!((published.status, published.header("access-control-allow-origin")), (201, Some(from.1)));
        assert_eq!(published.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(published.header("vary"), Some("origin"));
        let taken = jobs.request("GET", "/queues/%2F/q/messages", &[from], b"");
        let shown = taken.header("access-control-expose-headers").unwrap();
        assert!(shown.split(", ").any(|name| name == "x-leveret-lease"), "{shown}");
        assert_eq!(jobs.publish("q", &[FOREIGN], b"x").status, 403);
    });
}
