//! Names of direct reply-to (RabbitMQ extension): queues that exist only as a requester's open channel.

/// What a requester consumes from and puts into reply-to.
pub const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// Whether a queue name is direct reply-to's: the bare name, or one with a requester's token.
#[must_use]
pub fn is_reply_to(queue: &[u8]) -> bool {
    queue.strip_prefix(REPLY_TO.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
}

/// Length of the random part of a token: 128 bits in base64.
const TOKEN_LENGTH: usize = 22;

/// Whether a routing key is a requester's token. One whose requester is gone still is.
#[must_use]
pub fn is_token(routing_key: &[u8]) -> bool {
    let token = routing_key.strip_prefix(REPLY_TO.as_bytes()).and_then(|rest| rest.strip_prefix(b"."));
    token.is_some_and(|token| {
        token.len() == TOKEN_LENGTH && token.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(octet))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_bare_name_and_tokens_but_not_lookalikes() {
        assert!(is_reply_to(b"amq.rabbitmq.reply-to"));
        assert!(is_reply_to(b"amq.rabbitmq.reply-to.token"));
        assert!(!is_reply_to(b"amq.rabbitmq.reply-tomorrow"));
        assert!(!is_reply_to(b"replies"));
    }
}
