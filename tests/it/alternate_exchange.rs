//! alternate-exchange: where messages go that an exchange has no queue for.

use lapin::Confirmation;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions};
use lapin::{BasicProperties, ExchangeKind};

use crate::client::{Client, next_shown, text, with_broker, within};

const MANDATORY: BasicPublishOptions = BasicPublishOptions { mandatory: true, immediate: false };

async fn publish_mandatory(client: &Client, key: &str) -> Confirmation {
    within(client.publish_with("work", key, key.as_bytes(), MANDATORY, BasicProperties::default()).await).await.unwrap()
}

#[test]
fn what_the_exchange_has_no_queue_for_goes_to_its_alternate() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.exchange("rest", ExchangeKind::Fanout).await;
        client.exchange_with("work", ExchangeKind::Direct, &[("alternate-exchange", text("rest"))]).await;
        client.bound_queues("work", &[("known", "known")]).await;
        client.bound_queues("rest", &[("unknown", "")]).await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        for key in ["known", "other"] {
            assert_eq!(publish_mandatory(&client, key).await, Confirmation::Ack(None));
        }
        let mut unknown = client.consume("unknown").await;
        assert_eq!(next_shown(&mut unknown, 1).await, ["1 work/other other"], "it says where it was published to");
        assert!(client.sees_nothing(&mut unknown).await);
        assert_eq!(client.take_all("known").await, ["known"]);
    });
}

#[test]
fn alternates_are_followed_one_after_the_other_and_a_circle_ends() {
    with_broker(async |broker| {
        let client = broker.client().await;
        for (name, alternate) in [("work", "second"), ("second", "third"), ("third", "work")] {
            client.exchange_with(name, ExchangeKind::Direct, &[("alternate-exchange", text(alternate))]).await;
        }
        client.bound_queues("third", &[("jobs", "a")]).await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        assert_eq!(publish_mandatory(&client, "a").await, Confirmation::Ack(None));
        let returned = publish_mandatory(&client, "b").await.take_message().expect("nobody wants it");
        assert_eq!((returned.reply_code, returned.exchange.as_str()), (312, "work"));
        assert_eq!(client.take_all("jobs").await, ["a"]);
    });
}

#[test]
fn an_alternate_that_is_gone_is_as_none() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.exchange("rest", ExchangeKind::Fanout).await;
        client.exchange_with("work", ExchangeKind::Direct, &[("alternate-exchange", text("rest"))]).await;
        client.bound_queues("rest", &[("unknown", "")]).await;
        client.exchange_delete("rest".into(), ExchangeDeleteOptions::default()).await.unwrap();
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        assert!(publish_mandatory(&client, "a").await.take_message().is_some());
        client.exchange("rest", ExchangeKind::Fanout).await;
        client.bind("unknown", "rest", "").await;
        assert_eq!(publish_mandatory(&client, "b").await, Confirmation::Ack(None));
        assert_eq!(client.take_all("unknown").await, ["b"]);
    });
}
