//! Laravel's queue driver: a queue for each delay, which goes away when nobody uses it.

use lapin::options::{ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::AMQPValue;

use super::{durable_queue, is_routed, wait_until_unrouted};
use crate::client::{body, next, reply, text, with_broker};

/// The arguments of `QUEUE.delay.TTL`.
fn delay(queue: &str, ttl: i64) -> [(&'static str, AMQPValue); 4] {
    [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(queue)),
        ("x-message-ttl", AMQPValue::LongLongInt(ttl)),
        ("x-expires", AMQPValue::LongLongInt(2 * ttl)),
    ]
}

#[test]
fn a_job_with_a_delay_comes_to_its_queue_and_the_delay_queue_expires() {
    with_broker(async |broker| {
        let (client, looks) = (broker.client().await, broker.client().await);
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        durable_queue(&client, "default", &[]).await;
        // Each is looked for on a channel of its own, which the answer closes.
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let refused = looks.declare("default.delay.1000", passive).await.unwrap_err();
        assert_eq!(reply(&refused), (404, "NOT_FOUND - no queue 'default.delay.1000' in vhost '/'".to_owned()));

        durable_queue(&client, "default.delay.1000", &delay("default", 1000)).await;
        assert!(is_routed(&client, "", "default.delay.1000", "job").await);
        // Declared again by the next job: the same arguments with another width of integers are the same.
        let narrow = delay("default", 1000).map(|(name, value)| match value {
            AMQPValue::LongLongInt(ms) => (name, AMQPValue::LongInt(i32::try_from(ms).unwrap())),
            other => (name, other),
        });
        durable_queue(&client, "default.delay.1000", &narrow).await;
        let mut worker = client.consume("default").await;
        assert_eq!(body(&next(&mut worker).await), "job");
        wait_until_unrouted(&client, "", "default.delay.1000").await;
    });
}
