//! Bodies of several frames, up to the largest and beyond.

use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};

use crate::client::{Client, next, reply, with_broker, with_settings, within};

const MIB: usize = 1024 * 1024;

/// Bytes that differ from place to place, so that a frame lost or swapped shows.
fn body(length: usize) -> Vec<u8> {
    (0_u32..).map(|number| (number.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).take(length).collect()
}

async fn publish(client: &Client, body: &[u8]) -> lapin::Result<lapin::Confirmation> {
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    within(client.publish_with("", "jobs", body, options, properties).await).await
}

#[test]
fn bodies_of_every_length_around_the_edges_of_frames_arrive_whole() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        let mut consumer = client.consume("jobs").await;
        // A frame of 131072 bytes carries 131064 of a body; 8 KiB and 32 KiB are where the broker keeps messages
        // otherwise; 256 KiB is what it reads at once.
        let edges = [1, 8 * 1024, 32 * 1024, 131_064, 2 * 131_064, 256 * 1024, MIB];
        let lengths: Vec<usize> = edges.iter().flat_map(|edge| [edge - 1, *edge, edge + 1]).collect();
        let largest = body(MIB + 1);
        for length in &lengths {
            let options = BasicPublishOptions::default();
            client.publish_with("", "jobs", &largest[..*length], options, BasicProperties::default()).await;
        }
        for length in lengths {
            let delivery = next(&mut consumer).await;
            assert_eq!(delivery.data.len(), length);
            assert!(delivery.data == largest[..length], "{length} bytes arrive as they were");
        }
    });
}

#[test]
fn sixteen_mebibytes_pass_and_one_byte_more_closes_the_channel() {
    with_broker(async |broker| {
        let connection = broker.connect().await;
        let (client, other) = (Client::on(&connection).await, Client::on(&connection).await);
        client.queue("jobs").await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let largest = body(16 * MIB + 1);
        assert!(publish(&client, &largest[..16 * MIB]).await.unwrap().is_ack());
        let error = publish(&client, &largest).await.unwrap_err();
        let text = "PRECONDITION_FAILED - message size 16777217 is larger than configured max size 16777216";
        assert_eq!(reply(&error), (406, text.to_owned()));
        // The rest of the refused body is skipped, and the connection is in step.
        let message = other.take("jobs").await.expect("the first one is there");
        assert_eq!((message.data.len(), message.message_count), (16 * MIB, 0));
        assert!(message.data == largest[..16 * MIB]);
    });
}

#[test]
fn the_largest_message_is_configurable() {
    with_settings(&[("max_message_size", "100000")], async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        assert!(publish(&client, &body(100_000)).await.unwrap().is_ack());
        let error = publish(&client, &body(100_001)).await.unwrap_err();
        let text = "PRECONDITION_FAILED - message size 100001 is larger than configured max size 100000";
        assert_eq!(reply(&error), (406, text.to_owned()));
        assert_eq!(broker.client().await.counts("jobs").await, (1, 0));
    });
}
