//! The README's first message with lapin, as it stands there.

use crate::client::{with_broker, within};

/// What the README shows lies between the two marks; only the address is another.
#[rustfmt::skip]
async fn first_message(uri: &str) -> Result<(Vec<u8>, lapin::Channel), Box<dyn std::error::Error>> {
    // README
    use futures_util::StreamExt;
    use lapin::{BasicProperties, Connection, ConnectionProperties, options::*, types::FieldTable};

    let connection = Connection::connect(uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.queue_declare("jobs".into(), QueueDeclareOptions::default(), FieldTable::default()).await?;
    channel.basic_publish("".into(), "jobs".into(), BasicPublishOptions::default(), b"resize 42.png", BasicProperties::default()).await?;
    let mut jobs = channel
        .basic_consume("jobs".into(), "worker".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await?;
    let job = jobs.next().await.expect("a job")?;
    job.ack(BasicAckOptions::default()).await?;
    // README
    Ok((job.data.clone(), channel))
}

/// The README's block in this language.
fn block(language: &str) -> &'static str {
    let readme = include_str!("../../README.md");
    let (_, after) = readme.split_once(&format!("```{language}\n")).expect("the README has such a block");
    after.split_once("```").expect("the block ends").0
}

#[test]
fn the_readme_shows_the_code_that_is_run_here() {
    let source = include_str!("readme.rs");
    let code = source.split("    // README\n").nth(1).expect("the code is between two marks");
    let shown: String = code.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
    let address = "\"amqp://guest:guest@127.0.0.1:5672/%2f\"";
    assert_eq!(block("rust"), shown.replace("connect(uri,", &format!("connect({address},")));
}

#[test]
fn the_first_message_with_lapin_arrives_and_is_done() {
    with_broker(async |broker| {
        let (job, channel) = first_message(&broker.server.uri()).await.unwrap();
        assert_eq!(job, b"resize 42.png");
        let other = broker.client().await;
        // lapin cancels a consumer that is dropped, behind the ack. It takes it for an error of the connection when the
        // channel is closed before the answer comes.
        within(async { while other.counts("jobs").await != (0, 0) {} }).await;
        within(channel.close(200, "bye".into())).await.unwrap();
        assert_eq!(other.counts("jobs").await, (0, 0), "without the ack it would have come back");
    });
}
