//! Who is let in at the management API, and what its users may do.

use serde_json::json;

use crate::api::{Api, GUEST};
use crate::client::{with_broker, with_settings};
use crate::support::server::Server;

#[test]
fn a_request_without_credentials_is_asked_for_them() {
    let server = Server::start();
    let response = Api::of(&server).get_as(None, "/overview");
    assert_eq!(response.status().as_u16(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Basic realm=\"RabbitMQ Management\"");
}

#[test]
fn wrong_credentials_are_refused_without_asking_again() {
    let server = Server::start();
    let api = Api::of(&server);
    // guest:wrong, nobody:guest, guest: without a password, no base64, another scheme, nothing behind it.
    let wrong =
        ["Basic Z3Vlc3Q6d3Jvbmc=", "Basic bm9ib2R5Omd1ZXN0", "Basic Z3Vlc3Q6", "Basic !!!", "Bearer x", "Basic"];
    for authorization in wrong {
        let mut response = api.get_as(Some(authorization), "/whoami");
        assert_eq!(response.status().as_u16(), 401, "{authorization}");
        assert_eq!(response.headers().get("www-authenticate"), None, "{authorization}");
        let body: serde_json::Value = response.body_mut().read_json().unwrap();
        assert_eq!(body, json!({ "error": "not_authorized", "reason": "Not_Authorized" }), "{authorization}");
    }
    assert_eq!(api.get_as(Some(GUEST), "/whoami").status().as_u16(), 200);
}

#[test]
fn load_balancers_need_no_credentials() {
    let server = Server::start();
    let api = Api::of(&server);
    for path in ["/version", "/health/checks/is-in-service", "/health/checks/ready-to-serve-clients"] {
        assert_eq!(api.get_as(None, path).status().as_u16(), 200, "{path}");
    }
    assert_eq!(api.get_as(None, "/health/checks/alarms").status().as_u16(), 401);
}

#[test]
fn the_configured_user_is_who_it_is() {
    let settings = [("default_user", "app"), ("default_pass", "s:cret")];
    with_settings_alone(&settings, |api| {
        let mut response = api.get_as(Some("Basic YXBwOnM6Y3JldA=="), "/whoami");
        let body: serde_json::Value = response.body_mut().read_json().unwrap();
        assert_eq!(body, json!({ "name": "app", "tags": ["administrator"], "is_internal_user": true }));
        assert_eq!(api.get("/whoami").status, 401, "guest is nobody here");
    });
}

fn with_settings_alone(settings: &[(&str, &str)], test: impl FnOnce(&Api)) {
    let server = Server::start_with(settings);
    test(&Api::of(&server));
}

#[test]
fn permissions_hold_as_they_do_for_amqp() {
    let settings = [
        ("default_permissions.configure", "^mine"),
        ("default_permissions.write", "^mine|^amq.default$"),
        ("default_permissions.read", "^mine"),
    ];
    with_settings(&settings, async |broker| {
        let api = Api::of(&broker.server);
        let refused = |what: &str| json!(format!("{what} in vhost '/' refused for user 'guest'"));
        assert_eq!(api.put("/queues/%2F/mine", "{}").status, 201);
        let reply = api.put("/queues/%2F/yours", "{}");
        assert_eq!(reply.error(), (401, "not_authorised", &refused("configure access to queue 'yours'")));
        let reply = api.put("/exchanges/%2F/yours", "{}");
        assert_eq!(reply.error(), (401, "not_authorised", &refused("configure access to exchange 'yours'")));
        let message = r#"{"properties":{},"routing_key":"","payload":"","payload_encoding":"string"}"#;
        let reply = api.post("/exchanges/%2F/amq.fanout/publish", message);
        assert_eq!(reply.error(), (401, "not_authorised", &refused("write access to exchange 'amq.fanout'")));
        let reply = api.post("/bindings/%2F/e/amq.fanout/q/mine", "");
        assert_eq!(reply.error(), (401, "not_authorised", &refused("read access to exchange 'amq.fanout'")));
        assert_eq!(api.get("/queues/%2F/mine").body["messages"], 0);
    });
}

#[test]
fn a_queue_of_a_connection_alone_is_seen_and_not_touched() {
    with_broker(async |broker| {
        let api = Api::of(&broker.server);
        let client = broker.client().await;
        let exclusive = lapin::options::QueueDeclareOptions { exclusive: true, ..Default::default() };
        client.declare("own", exclusive).await.unwrap();
        assert_eq!(api.get("/queues/%2F/own").body["exclusive"], true);
        let locked = json!(
            "cannot obtain exclusive access to locked queue 'own' in vhost '/'. It could be originally declared on another \
             connection or the exclusive property value does not match that of the original declaration."
        );
        for reply in
            [api.delete("/queues/%2F/own"), api.delete("/queues/%2F/own/contents"), api.put("/queues/%2F/own", "")]
        {
            assert_eq!(reply.error(), (400, "bad_request", &locked));
        }
    });
}
