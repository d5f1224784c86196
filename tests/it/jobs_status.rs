//! What becomes of a job, asked for by its id.

use serde_json::{Value, json};

use crate::api::Api;
use crate::client::{with_broker, with_lasting_broker, with_settings};
use crate::jobs_client::Jobs;
use crate::support::server::{Ending, Server};

fn with_tracking(arguments: &Value) -> (Server, Jobs, Api) {
    let server = Server::start();
    let (jobs, api) = (Jobs::of(&server), Api::of(&server));
    let mut all = json!({ "x-track-status": true });
    all.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
    let declaration = json!({ "durable": true, "arguments": all }).to_string();
    assert_eq!(api.put("/queues/%2F/q", &declaration).status, 201);
    (server, jobs, api)
}

fn status(jobs: &Jobs, id: &str) -> (u16, String) {
    let reply = jobs.request("GET", &format!("/queues/%2F/q/jobs/{id}"), &[], b"");
    (reply.status, reply.json()["status"].as_str().unwrap_or_default().to_owned())
}

fn publish(jobs: &Jobs, id: &str) {
    assert_eq!(jobs.publish("q", &[("x-leveret-message-id", id)], b"x").status, 201);
}

fn is(state: &str) -> (u16, String) {
    (200, state.to_owned())
}

#[test]
fn a_job_is_ready_then_in_flight_then_done() {
    let (_server, jobs, api) = with_tracking(&json!({}));
    publish(&jobs, "a");
    assert_eq!(status(&jobs, "a"), is("ready"));
    let (lease, _) = jobs.take("q", "").leased();
    assert_eq!(status(&jobs, "a"), is("in_flight"));
    jobs.nack(&lease, "{}");
    assert_eq!(status(&jobs, "a"), is("ready"));
    jobs.ack(&jobs.take("q", "").leased().0);
    assert_eq!(status(&jobs, "a"), is("done"));
    assert_eq!(status(&jobs, "b").0, 404);
    publish(&jobs, "b");
    api.delete("/queues/%2F/q/contents");
    assert_eq!((status(&jobs, "a"), status(&jobs, "b").0), (is("done"), 404), "purged");
}

#[test]
fn the_location_of_a_job_leads_to_it() {
    let (_server, jobs, _) = with_tracking(&json!({}));
    let reply = jobs.publish("q", &[], b"x");
    let path = reply.header("location").unwrap().strip_prefix("/v1").unwrap();
    let job = jobs.request("GET", path, &[], b"").json();
    assert_eq!((&job["id"], &job["status"]), (&reply.json()["id"], &json!("ready")));
    assert!(job["since"].as_u64().unwrap() > 1_700_000_000_000);
}

#[test]
fn jobs_that_fail_end_as_their_queue_says() {
    let dead_letters = json!({ "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead" });
    for (arguments, end) in [(json!({}), "dropped"), (dead_letters, "dead_lettered")] {
        let (_server, jobs, _) = with_tracking(&arguments);
        publish(&jobs, "a");
        jobs.nack(&jobs.take("q", "").leased().0, r#"{"requeue": false}"#);
        assert_eq!(status(&jobs, "a"), is(end));
    }
    let (_server, jobs, api) = with_tracking(&json!({}));
    assert_eq!(jobs.publish("q", &[("x-leveret-message-id", "a"), ("x-leveret-expiration", "1")], b"x").status, 201);
    api.until("/queues/%2F/q", |queue| queue["messages"] == 0);
    assert_eq!(status(&jobs, "a"), is("expired"));
}

#[test]
fn consumers_over_amqp_are_followed_too() {
    with_broker(async |broker| {
        let (jobs, api, client) = (Jobs::of(&broker.server), Api::of(&broker.server), broker.client().await);
        api.put("/queues/%2F/q", r#"{"arguments": {"x-track-status": true}}"#);
        publish(&jobs, "a");
        let mut consumer = client.consume("q").await;
        let delivery = crate::client::next(&mut consumer).await;
        assert_eq!(status(&jobs, "a"), is("in_flight"));
        delivery.ack(lapin::options::BasicAckOptions::default()).await.unwrap();
        client.settle().await;
        assert_eq!(status(&jobs, "a"), is("done"));
    });
}

#[test]
fn a_job_is_known_again_after_a_restart_once_somebody_has_it() {
    with_lasting_broker(async |broker| {
        let jobs = Jobs::of(&broker.server);
        Api::of(&broker.server).put("/queues/%2F/q", r#"{"durable": true, "arguments": {"x-track-status": true}}"#);
        publish(&jobs, "a");
        broker.server.restart(Ending::Kill);
        let jobs = Jobs::of(&broker.server);
        assert_eq!(status(&jobs, "a").0, 404);
        jobs.take("q", "wait=20").leased();
        assert_eq!(status(&jobs, "a"), is("in_flight"));
    });
}

#[test]
fn who_may_neither_read_nor_write_hears_nothing_and_a_queue_without_track_says_so() {
    let nobody = [("default_permissions.write", "^$"), ("default_permissions.read", "^$")];
    with_settings(&nobody, async |broker| {
        let jobs = Jobs::of(&broker.server);
        broker.client().await.queue("q").await;
        assert_eq!(status(&jobs, "a").0, 403);
    });
    with_broker(async |broker| {
        let jobs = Jobs::of(&broker.server);
        broker.client().await.queue("q").await;
        let reply = jobs.request("GET", "/queues/%2F/q/jobs/a", &[], b"");
        assert_eq!((reply.status, reply.json()["reason"].as_str().unwrap().contains("x-track-status")), (404, true));
    });
}
