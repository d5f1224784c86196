//! channel.flow from a client: active is answered, inactive is refused as RabbitMQ refuses it.

use lapin::options::ChannelFlowOptions;

use crate::client::{next_shown, reply, with_broker, within};

#[test]
fn a_channel_that_asks_for_what_is_the_case_is_told_so() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        let mut consumer = client.consume("jobs").await;
        assert!(within(client.channel_flow(ChannelFlowOptions { active: true })).await.unwrap());
        client.fill("jobs", &["a"]).await;
        assert_eq!(next_shown(&mut consumer, 1).await, ["1 /jobs a"]);
    });
}

#[test]
fn pausing_deliveries_is_not_implemented() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let error = within(client.channel_flow(ChannelFlowOptions { active: false })).await.unwrap_err();
        assert_eq!(reply(&error), (540, "NOT_IMPLEMENTED - active=false".to_owned()));
    });
}
