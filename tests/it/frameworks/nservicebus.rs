//! `NServiceBus`: its ladder of delays, and endpoints of type quorum without a limit of deliveries.

use lapin::ExchangeKind;
use lapin::options::{BasicNackOptions, ConfirmSelectOptions};
use lapin::types::AMQPValue;

use super::ladder::{Ladder, bind_exchange, key};
use super::{durable_exchange, durable_queue, is_routed};
use crate::client::{body, next, text, with_broker, within};

const LADDER: Ladder = Ladder { level, delivery: "nsb.v2.delay-delivery" };

fn level(level: usize) -> String {
    format!("nsb.v2.delay-level-{level:02}")
}

#[test]
fn nservicebus_ladder_delivers_to_the_endpoint_that_the_routing_key_ends_with() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        LADDER.declare(&client).await;
        for endpoint in ["sales", "billing"] {
            durable_exchange(&client, endpoint, ExchangeKind::Fanout).await;
            durable_queue(&client, endpoint, &[("x-queue-type", text("quorum"))]).await;
            client.bind(endpoint, endpoint, "").await;
            bind_exchange(&client, endpoint, LADDER.delivery, &format!("#.{endpoint}")).await;
        }
        assert!(is_routed(&client, &LADDER.entry(), &key(2, "sales"), "two seconds").await);
        assert_eq!(LADDER.waiting(&client).await, [(1, 1)]);
        let mut endpoint = client.consume("sales").await;
        assert_eq!(body(&next(&mut endpoint).await), "two seconds");
        assert_eq!(client.counts("billing").await.0, 0);
        assert_eq!(LADDER.waiting(&client).await, []);
    });
}

#[test]
fn an_endpoint_with_a_delivery_limit_of_minus_one_gets_a_message_as_often_as_it_gives_it_back() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let arguments = [("x-queue-type", text("quorum")), ("x-delivery-limit", AMQPValue::LongInt(-1))];
        durable_queue(&client, "endpoint", &arguments).await;
        client.fill("endpoint", &["poison"]).await;
        let mut endpoint = client.consume("endpoint").await;
        // Twice the limit that quorum queues have by default.
        for time in 0..40 {
            let delivery = next(&mut endpoint).await;
            assert_eq!((body(&delivery).as_str(), delivery.redelivered), ("poison", time > 0));
            within(delivery.nack(BasicNackOptions { requeue: true, multiple: false })).await.unwrap();
        }
    });
}
