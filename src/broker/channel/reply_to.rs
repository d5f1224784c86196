//! Names of direct reply-to (RabbitMQ extension): queues that exist only as a requester's open channel.

/// What a requester consumes from and puts into reply-to.
pub const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// Whether a queue name is direct reply-to's: the bare name, or one with a requester's token.
#[must_use]
pub fn is_reply_to(queue: &[u8]) -> bool {
    queue.strip_prefix(REPLY_TO.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
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
