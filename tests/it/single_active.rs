//! Single active consumer over the running server: who is served when connections come and go.

use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::AMQPValue;

use crate::client::{Client, next, next_shown, reply, table, with_broker, within};

const SINGLE: [(&str, AMQPValue); 1] = [("x-single-active-consumer", AMQPValue::Boolean(true))];

async fn declare(client: &Client, name: &str) {
    let options = QueueDeclareOptions::default();
    within(client.queue_declare(name.into(), options, table(&SINGLE))).await.unwrap();
}

#[test]
fn the_next_consumer_takes_over_when_the_connection_of_the_active_one_is_gone() {
    with_broker(async |broker| {
        let connection = broker.connect().await;
        let (active, waiting) = (Client::on(&connection).await, broker.client().await);
        declare(&active, "jobs").await;
        let mut first = active.consume("jobs").await;
        let mut second = waiting.consume("jobs").await;
        waiting.fill("jobs", &["a", "b"]).await;
        assert_eq!(next_shown(&mut first, 2).await, ["1 /jobs a", "2 /jobs b"]);
        assert!(waiting.sees_nothing(&mut second).await);
        within(connection.close(200, "bye".into())).await.unwrap();
        assert_eq!(next_shown(&mut second, 2).await, ["1 /jobs a redelivered", "2 /jobs b redelivered"]);
    });
}

#[test]
fn order_is_kept_over_a_change_of_the_active_consumer() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare(&client, "jobs").await;
        let mut first = client.consume("jobs").await;
        let mut second = client.consume("jobs").await;
        client.fill("jobs", &["a"]).await;
        next(&mut first).await.ack(BasicAckOptions::default()).await.unwrap();
        within(client.basic_cancel(first.tag(), BasicCancelOptions::default())).await.unwrap();
        client.fill("jobs", &["b", "c"]).await;
        assert_eq!(next_shown(&mut second, 2).await, ["2 /jobs b", "3 /jobs c"]);
        assert_eq!(client.counts("jobs").await, (0, 1));
    });
}

#[test]
fn nobody_has_the_queue_to_itself() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare(&client, "jobs").await;
        let exclusive = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
        let error = client.consume_with("jobs", exclusive, &[]).await.unwrap_err();
        assert_eq!(reply(&error), (403, "ACCESS_REFUSED - queue 'jobs' in vhost '/' in exclusive use".to_owned()));
    });
}
