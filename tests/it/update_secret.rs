//! connection.update-secret: answered, and the connection goes on.

use crate::client::{Client, with_broker, within};

#[test]
fn a_new_secret_is_taken_and_the_connection_goes_on() {
    with_broker(async |broker| {
        let connection = broker.connect().await;
        let client = Client::on(&connection).await;
        client.queue("jobs").await;
        within(connection.update_secret("token-2".into(), "the old one expires".into())).await.unwrap();
        client.fill("jobs", &["a"]).await;
        assert_eq!(client.take_all("jobs").await, ["a"]);
    });
}
