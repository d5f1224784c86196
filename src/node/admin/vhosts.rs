//! A vhost as a whole, for operators.

use super::Access;

impl Access {
    /// Whether copies of all messages go to `amq.rabbitmq.trace`.
    #[must_use]
    pub fn is_traced(&self) -> bool {
        self.vhost.is_traced()
    }

    /// From now on copies go there, or do not. A restart forgets it, as in RabbitMQ.
    pub fn trace(&self, on: bool) {
        self.vhost.trace(on);
    }
}
