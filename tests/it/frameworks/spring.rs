//! Spring AMQP: correlated confirms with returns, and its template's delays.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Confirmation};

use crate::client::{table, text, with_broker, within};

#[test]
fn a_message_that_nobody_took_is_returned_with_its_correlation_before_it_is_confirmed() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let headers = table(&[("spring_returned_message_correlation", text("42"))]);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default().with_headers(headers.clone());
        let confirm = client.publish_with("", "nobody", b"hello", options, properties).await;
        // lapin joins a return to the confirm that it came before.
        let Confirmation::Ack(Some(returned)) = within(confirm).await.unwrap() else { panic!("not returned first") };
        assert_eq!((returned.reply_code, returned.reply_text.as_str()), (312, "NO_ROUTE"));
        assert_eq!(returned.properties.headers().as_ref(), Some(&headers));
        assert_eq!(returned.data, b"hello");
    });
}
