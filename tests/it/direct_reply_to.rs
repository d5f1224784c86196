//! Direct reply-to: answers without a queue (RabbitMQ extension).

use lapin::BasicProperties;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};

use crate::client::{Client, body, next, reply, with_broker};

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

const NO_ACK: BasicConsumeOptions =
    BasicConsumeOptions { no_local: false, no_ack: true, exclusive: false, nowait: false };

async fn ask(client: &Client, question: &str) {
    let properties = BasicProperties::default().with_reply_to(REPLY_TO.into()).with_correlation_id(question.into());
    client.publish_with("", "rpc", question.as_bytes(), BasicPublishOptions::default(), properties).await;
}

#[test]
fn answers_come_straight_to_the_requester() {
    with_broker(async |broker| {
        let (requester, responder) = (broker.client().await, broker.client().await);
        responder.queue("rpc").await;
        let mut questions = responder.consume("rpc").await;
        let mut answers = requester.consume_with(REPLY_TO, NO_ACK, &[]).await.unwrap();
        for question in ["1+1", "2+2"] {
            ask(&requester, question).await;
        }
        for _ in 0..2 {
            let question = next(&mut questions).await;
            let to = question.properties.reply_to().clone().expect("a name to answer to");
            assert!(to.as_str().starts_with("amq.rabbitmq.reply-to."), "{to}");
            let id = question.properties.correlation_id().clone().unwrap();
            let answer = format!("answer to {}", body(&question));
            let properties = BasicProperties::default().with_correlation_id(id);
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            responder.publish_with("", to.as_str(), answer.as_bytes(), options, properties).await;
        }
        for (tag, question) in [(1, "1+1"), (2, "2+2")] {
            let answer = next(&mut answers).await;
            assert_eq!((answer.delivery_tag, answer.exchange.as_str(), answer.redelivered), (tag, "", false));
            assert_eq!(body(&answer), format!("answer to {question}"));
            assert_eq!(answer.properties.correlation_id().as_ref().map(|id| id.as_str()), Some(question));
        }
    });
}

#[test]
fn an_answer_to_a_requester_that_has_gone_is_dropped_silently() {
    with_broker(async |broker| {
        let (requester, responder) = (broker.client().await, broker.client().await);
        responder.queue("rpc").await;
        let mut questions = responder.consume("rpc").await;
        let _answers = requester.consume_with(REPLY_TO, NO_ACK, &[]).await.unwrap();
        ask(&requester, "late").await;
        let question = next(&mut questions).await;
        let to = question.properties.reply_to().clone().unwrap();
        requester.close(200, "bye".into()).await.unwrap();
        responder.confirm_select(lapin::options::ConfirmSelectOptions::default()).await.unwrap();
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = responder.publish_with("", to.as_str(), b"x", options, BasicProperties::default()).await;
        assert_eq!(confirm.await.unwrap(), lapin::Confirmation::Ack(None));
    });
}

#[test]
fn a_question_without_a_consumer_for_its_answer_is_refused() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("rpc").await;
        client.confirm_select(lapin::options::ConfirmSelectOptions::default()).await.unwrap();
        let properties = BasicProperties::default().with_reply_to(REPLY_TO.into());
        let confirm = client.publish_with("", "rpc", b"x", BasicPublishOptions::default(), properties).await;
        let text = "PRECONDITION_FAILED - fast reply consumer does not exist";
        assert_eq!(reply(&confirm.await.unwrap_err()), (406, text.to_owned()));
    });
}
