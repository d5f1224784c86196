//! Many channels on one connection: each with a numbering, consumers and errors of its own.

use lapin::options::{BasicAckOptions, QueueDeclareOptions};

use crate::client::{Client, next, reply, shown, with_broker, within};

#[test]
fn two_hundred_channels_consume_side_by_side() {
    with_broker(async |broker| {
        let (connection, publisher) = (broker.connect().await, broker.client().await);
        let mut workers = Vec::new();
        for number in 0..200 {
            let client = Client::on(&connection).await;
            let queue = format!("jobs-{number}");
            client.queue(&queue).await;
            let consumer = client.consume(&queue).await;
            workers.push((queue, client, consumer));
        }
        for body in ["a", "b"] {
            for (queue, _, _) in &workers {
                publisher.publish("", queue, body).await;
            }
        }
        for (queue, client, consumer) in &mut workers {
            for (tag, body) in [(1, "a"), (2, "b")] {
                let delivery = next(consumer).await;
                assert_eq!(shown(&delivery), format!("{tag} /{queue} {body}"));
            }
            client.basic_ack(2, BasicAckOptions { multiple: true }).await.unwrap();
        }
        let (_, last, _) = &workers[199];
        last.settle().await;
        within(connection.close(200, "bye".into())).await.unwrap();
        for (queue, _, _) in &workers {
            assert_eq!(publisher.counts(queue).await.0, 0);
        }
    });
}

#[test]
fn a_channel_number_is_free_again_after_a_close_and_after_an_error() {
    with_broker(async |broker| {
        let connection = broker.connect().await;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        for _ in 0..50 {
            let closed = Client::on(&connection).await;
            within(closed.close(200, "bye".into())).await.unwrap();
            let failed = Client::on(&connection).await;
            assert_eq!(reply(&failed.declare("missing", passive).await.unwrap_err()).0, 404);
        }
        Client::on(&connection).await.queue("jobs").await;
    });
}
