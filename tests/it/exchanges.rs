//! What each exchange type routes where, each message once to each queue.

use std::collections::BTreeMap;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, ExchangeDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, ExchangeKind};

use crate::client::{Client, reply, table, text, with_broker, within};

/// What is in each queue, after everything that was published.
async fn routed(client: &Client, queues: &[&str]) -> BTreeMap<String, Vec<String>> {
    let mut contents = BTreeMap::new();
    for queue in queues {
        contents.insert((*queue).to_owned(), client.take_all(queue).await);
    }
    contents
}

fn expected(contents: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    let owned = |bodies: &[&str]| bodies.iter().map(|body| (*body).to_owned()).collect();
    contents.iter().map(|(queue, bodies)| ((*queue).to_owned(), owned(bodies))).collect()
}

#[test]
fn a_direct_exchange_compares_routing_key_and_binding_key() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.exchange("work", ExchangeKind::Direct).await;
        client.bound_queues("work", &[("one", "a"), ("both", "a")]).await;
        client.bind("both", "work", "b").await;
        for key in ["a", "b", "c", "A", ""] {
            client.publish("work", key, key).await;
        }
        assert_eq!(routed(&client, &["one", "both"]).await, expected(&[("one", &["a"]), ("both", &["a", "b"])]));
    });
}

#[test]
fn a_fanout_exchange_does_not_look_at_keys() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.exchange("work", ExchangeKind::Fanout).await;
        client.bound_queues("work", &[("one", "a"), ("two", "")]).await;
        // A second binding of the same queue brings no second copy.
        client.bind("one", "work", "b").await;
        for key in ["a", "z"] {
            client.publish("work", key, key).await;
        }
        assert_eq!(routed(&client, &["one", "two"]).await, expected(&[("one", &["a", "z"]), ("two", &["a", "z"])]));
    });
}

#[test]
fn a_topic_exchange_matches_words() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.exchange("work", ExchangeKind::Topic).await;
        let bindings = [
            ("exact", "image.resize.png"),
            ("star", "image.*.png"),
            ("hash", "image.#"),
            ("inner", "image.#.png"),
            ("all", "#"),
            ("one-word", "*"),
        ];
        client.bound_queues("work", &bindings).await;
        let keys =
            ["image", "image.png", "image.resize.png", "image.crop.png", "image.a.b.png", "image.resize.gif", ""];
        for key in keys {
            client.publish("work", key, key).await;
        }
        let queues = bindings.map(|(queue, _)| queue);
        assert_eq!(
            routed(&client, &queues).await,
            expected(&[
                ("exact", &["image.resize.png"]),
                ("star", &["image.resize.png", "image.crop.png"]),
                ("hash", &keys[..6]),
                ("inner", &["image.png", "image.resize.png", "image.crop.png", "image.a.b.png"]),
                ("all", &keys),
                ("one-word", &["image"]),
            ])
        );
    });
}

#[test]
fn a_topic_exchange_forgets_a_binding_that_is_undone() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.bound_queues("amq.topic", &[("jobs", "a.#")]).await;
        client.bind("jobs", "amq.topic", "b.*").await;
        client.queue_unbind("jobs".into(), "amq.topic".into(), "a.#".into(), FieldTable::default()).await.unwrap();
        for key in ["a.1", "b.1"] {
            client.publish("amq.topic", key, key).await;
        }
        assert_eq!(client.take_all("jobs").await, ["b.1"]);
    });
}

#[test]
fn a_headers_exchange_compares_headers() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.exchange("work", ExchangeKind::Headers).await;
        let png = ("format", text("png"));
        let wide = ("wide", AMQPValue::Boolean(true));
        for (queue, x_match) in [("all", "all"), ("any", "any")] {
            client.queue(queue).await;
            client.bind_with(queue, "work", "", &[("x-match", text(x_match)), png.clone(), wide.clone()]).await;
        }
        client.queue("present").await;
        client.bind_with("present", "work", "", &[("format", AMQPValue::Void)]).await;
        let other = ("format", text("gif"));
        let messages: [(&str, Vec<(&str, AMQPValue)>); 4] =
            [("both", vec![png.clone(), wide.clone()]), ("png", vec![png]), ("gif", vec![other]), ("none", vec![])];
        for (body, headers) in messages {
            let properties = BasicProperties::default().with_headers(table(&headers));
            let options = BasicPublishOptions::default();
            client.publish_with("work", "ignored", body.as_bytes(), options, properties).await;
        }
        assert_eq!(
            routed(&client, &["all", "any", "present"]).await,
            expected(&[("all", &["both"]), ("any", &["both", "png"]), ("present", &["both", "png", "gif"])])
        );
    });
}

#[test]
fn the_default_exchange_routes_to_the_queue_of_that_name() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("a").await;
        client.queue("a.b").await;
        for key in ["a", "a.b", "*"] {
            client.publish("", key, key).await;
        }
        assert_eq!(routed(&client, &["a", "a.b"]).await, expected(&[("a", &["a"]), ("a.b", &["a.b"])]));
    });
}

#[test]
fn an_exchange_is_deleted_with_its_bindings() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.exchange("work", ExchangeKind::Fanout).await;
        client.bound_queues("work", &[("jobs", "")]).await;
        let if_unused = ExchangeDeleteOptions { if_unused: true, ..ExchangeDeleteOptions::default() };
        let other = broker.client().await;
        let error = within(other.exchange_delete("work".into(), if_unused)).await.unwrap_err();
        assert_eq!(reply(&error), (406, "PRECONDITION_FAILED - exchange 'work' in vhost '/' in use".to_owned()));
        client.exchange_delete("work".into(), ExchangeDeleteOptions::default()).await.unwrap();
        client.exchange("work", ExchangeKind::Fanout).await;
        client.publish("work", "", "lost").await;
        assert_eq!(client.take_all("jobs").await, Vec::<String>::new());
    });
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let options = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
        client.exchange_declare("work".into(), ExchangeKind::Fanout, options, FieldTable::default()).await.unwrap();
        client.bound_queues("work", &[("jobs", "")]).await;
        client.queue_unbind("jobs".into(), "work".into(), "".into(), FieldTable::default()).await.unwrap();
        let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let asking = client.exchange_declare("work".into(), ExchangeKind::Fanout, passive, FieldTable::default());
        let error = within(asking).await.unwrap_err();
        assert_eq!(reply(&error), (404, "NOT_FOUND - no exchange 'work' in vhost '/'".to_owned()));
    });
}

#[test]
fn an_internal_exchange_takes_no_publishes() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let options = ExchangeDeclareOptions { internal: true, ..ExchangeDeclareOptions::default() };
        client.exchange_declare("inner".into(), ExchangeKind::Fanout, options, FieldTable::default()).await.unwrap();
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let confirm = client.publish("inner", "", "a").await;
        let error = within(confirm).await.unwrap_err();
        assert_eq!(
            reply(&error),
            (403, "ACCESS_REFUSED - cannot publish to internal exchange 'inner' in vhost '/'".to_owned())
        );
    });
}
