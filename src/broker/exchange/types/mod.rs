//! Exchange types: one file each, one line in the table below.

pub mod direct;
pub mod fanout;
pub mod headers;
pub mod topic;

#[cfg(test)]
mod tests;

use leveret_protocol::{FieldTable, ShortString};

use super::binding::{Binding, Destination};
use crate::broker::error::ChannelError;

/// What an exchange looks at when it routes.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The routing key, followed by the members of CC and BCC.
    pub routing_keys: &'a [&'a [u8]],
    /// The message's headers table, where it has one.
    pub headers: Option<&'a FieldTable>,
}

/// Declares the table of types: one line makes a type known everywhere.
macro_rules! exchange_types {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $module:ident;)*) => {
        /// A type of exchange.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ExchangeType {
            $($(#[$doc])* $variant,)*
        }

        /// The bindings of an exchange in the form that its type routes by. Persistent: a clone shares its content.
        #[derive(Clone, Debug)]
        pub enum BindingTable {
            $($(#[$doc])* $variant($module::Table),)*
        }

        impl ExchangeType {
            /// All types.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The type of that name.
            #[must_use]
            pub fn by_name(name: &[u8]) -> Option<Self> {
                $(if name == $name.as_bytes() {
                    return Some(Self::$variant);
                })*
                None
            }

            /// Its name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// A table without bindings.
            #[must_use]
            pub fn empty_table(self) -> BindingTable {
                match self {
                    $(Self::$variant => BindingTable::$variant($module::Table::default()),)*
                }
            }

            /// Whether a binding with this key and these arguments makes sense to the type.
            ///
            /// # Errors
            /// 406 with the type's own text.
            pub fn validate_binding(
                self,
                binding_key: &ShortString,
                arguments: &FieldTable,
            ) -> Result<(), ChannelError> {
                match self {
                    $(Self::$variant => $module::validate_binding(binding_key, arguments),)*
                }
            }
        }

        impl BindingTable {
            /// Adds a binding that is not in it.
            pub fn bind(&mut self, binding: &Binding) {
                match self {
                    $(Self::$variant(table) => table.bind(binding),)*
                }
            }

            /// Removes a binding that is in it.
            pub fn unbind(&mut self, binding: &Binding) {
                match self {
                    $(Self::$variant(table) => table.unbind(binding),)*
                }
            }

            /// Calls `found` for every destination of a message, for some perhaps more than once.
            pub fn route(&self, envelope: &Envelope<'_>, found: &mut dyn FnMut(&Destination)) {
                match self {
                    $(Self::$variant(table) => table.route(envelope, found),)*
                }
            }

            /// Whether routing looks at message headers, so that a routing key alone does not tell the result.
            #[must_use]
            pub const fn reads_headers(&self) -> bool {
                match self {
                    $(Self::$variant(_) => $module::READS_HEADERS,)*
                }
            }
        }
    };
}

exchange_types! {
    /// Routing key equals binding key (AMQP 0-9-1 3.1.3.1).
    Direct, "direct", direct;
    /// Every binding (AMQP 0-9-1 3.1.3.2).
    Fanout, "fanout", fanout;
    /// Words with wildcards (AMQP 0-9-1 3.1.3.3).
    Topic, "topic", topic;
    /// Message headers against binding arguments (AMQP 0-9-1 3.1.3.4).
    Headers, "headers", headers;
}
