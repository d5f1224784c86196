//! Exchanges for operators.

use std::sync::Arc;

use leveret_protocol::ShortString;

use super::Access;
use crate::broker::error::ChannelError;
use crate::broker::exchange::Exchange;
use crate::broker::policy::Policy;
use crate::broker::vhost::ExchangeDeclaration;

impl Access {
    /// All exchanges, by name.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Arc<Exchange>> {
        self.vhost.topology().exchanges().cloned().collect()
    }

    /// The exchange of that name.
    #[must_use]
    pub fn exchange(&self, name: &ShortString) -> Option<Arc<Exchange>> {
        self.vhost.topology().exchange(name.as_bytes()).cloned()
    }

    /// The policy that applies to an exchange, if any.
    #[must_use]
    pub fn policy_of_exchange(&self, exchange: &Exchange) -> Option<Arc<Policy>> {
        self.vhost.topology().policies_of_exchange(exchange).user
    }

    /// exchange.declare; whether it is new.
    ///
    /// # Errors
    /// As exchange.declare.
    pub fn declare_exchange(&self, wanted: ExchangeDeclaration) -> Result<bool, ChannelError> {
        self.vhost.change(self.node.clock.now(), |vhost, effects| {
            let known = vhost.topology().exchange(wanted.name.as_bytes()).is_some();
            vhost.declare_exchange(&self.actor, wanted, effects)?;
            Ok(!known)
        })
    }

    /// exchange.delete.
    ///
    /// # Errors
    /// As exchange.delete.
    pub fn delete_exchange(&self, name: &ShortString, if_unused: bool) -> Result<(), ChannelError> {
        let now = self.node.clock.now();
        self.vhost.change(now, |vhost, effects| vhost.delete_exchange(&self.actor, name, if_unused, effects))
    }
}
