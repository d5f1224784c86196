//! Symfony Messenger: delay queues behind an exchange, whose lease each new delayed message renews by declaring them.

use lapin::ExchangeKind;
use lapin::options::ConfirmSelectOptions;
use lapin::types::AMQPValue;

use super::{durable_exchange, durable_queue, is_routed};
use crate::client::{body, next, text, with_broker};

const DELAY_QUEUE: &str = "delay_messages__1000_delay";

/// The library's lease is the delay and ten seconds; here it is the delay and two.
fn arguments() -> [(&'static str, AMQPValue); 4] {
    [
        ("x-message-ttl", AMQPValue::LongInt(1000)),
        ("x-expires", AMQPValue::LongInt(3000)),
        ("x-dead-letter-exchange", text("messages")),
        ("x-dead-letter-routing-key", text("")),
    ]
}

#[test]
fn declaring_a_delay_queue_again_renews_its_lease_and_an_empty_routing_key_stays_empty() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        durable_exchange(&client, "messages", ExchangeKind::Fanout).await;
        durable_exchange(&client, "delays", ExchangeKind::Direct).await;
        durable_queue(&client, "messages", &[]).await;
        client.bind("messages", "messages", "").await;
        durable_queue(&client, DELAY_QUEUE, &arguments()).await;
        client.bind(DELAY_QUEUE, "delays", DELAY_QUEUE).await;
        let mut worker = client.consume("messages").await;
        // Four delays are longer than one lease; the binding is made once, and would go with the queue.
        for job in ["one", "two", "three", "four"] {
            durable_queue(&client, DELAY_QUEUE, &arguments()).await;
            assert!(is_routed(&client, "delays", DELAY_QUEUE, job).await, "{job}: the lease ran out");
            let delivery = next(&mut worker).await;
            let (exchange, key) = (delivery.exchange.as_str(), delivery.routing_key.as_str());
            assert_eq!((body(&delivery).as_str(), exchange, key), (job, "messages", ""));
        }
    });
}
