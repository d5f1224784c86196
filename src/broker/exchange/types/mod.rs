//! Exchange types: one file each, one line in the table below.

mod choices;
mod clues;
pub mod consistent_hash;
pub mod delayed;
pub mod direct;
pub mod fanout;
mod hash;
pub mod headers;
pub mod local_random;
pub mod message_deduplication;
pub mod modulus_hash;
pub mod random;
pub mod recent_history;
mod refusal;
mod runs;
pub mod topic;

#[cfg(test)]
mod choosing_tests;
#[cfg(test)]
mod tests;

use leveret_protocol::{FieldTable, ShortString};

pub(in crate::broker) use self::hash::{hash, mixed};
pub use self::refusal::TypeRefusal;
use super::binding::{Binding, Destination};
use crate::broker::error::ChannelError;
use crate::broker::resource::Resource;

/// What an exchange looks at when it routes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Envelope<'a> {
    /// The routing key, followed by the members of CC and BCC.
    pub routing_keys: &'a [&'a [u8]],
    /// The message's headers table, where it has one.
    pub headers: Option<&'a FieldTable>,
    /// The content header's payload, for types that look at properties.
    pub content_header: &'a [u8],
    /// Any number, another one for each message: types that choose at random choose by it.
    pub random: u64,
}

/// How bindings are kept and messages find their way. The defaults are those of a type that routes by keys alone.
trait Routing: Default {
    /// A table without bindings. Arguments that do not pass `validate_arguments` count as left out.
    fn new(_arguments: &FieldTable) -> Self {
        Self::default()
    }

    /// Adds a binding that is not in it.
    fn bind(&mut self, binding: &Binding);

    /// Removes a binding that is in it.
    fn unbind(&mut self, binding: &Binding);

    /// Calls `found` for every destination of a message, for some perhaps more than once.
    fn route(&self, envelope: &Envelope<'_>, found: &mut dyn FnMut(&Destination));

    /// Whether messages with the same routing key may go different ways.
    fn varies(&self) -> bool {
        false
    }
}

/// What a type refuses. The defaults are those of a type that takes any arguments and any binding.
trait Rules {
    /// Whether an exchange may have these arguments.
    fn validate_arguments(_arguments: &FieldTable, _exchange: &Resource) -> Result<(), ChannelError> {
        Ok(())
    }

    /// Whether such a binding makes sense.
    fn validate_binding(
        _binding_key: &ShortString,
        _arguments: &FieldTable,
        _destination: &Destination,
    ) -> Result<(), TypeRefusal> {
        Ok(())
    }
}

/// The rules of a type that refuses nothing.
struct NoRules;

impl Rules for NoRules {}

/// Declares the table of types: one line makes a type known everywhere. A type may route with the table of another one and
/// have rules of its own.
macro_rules! exchange_types {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $table:ty, $rules:ty;)*) => {
        /// A type of exchange.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ExchangeType {
            $($(#[$doc])* $variant,)*
        }

        /// The bindings of an exchange in the form that its type routes by. Persistent: a clone shares its content.
        #[derive(Clone, Debug)]
        pub enum BindingTable {
            $($(#[$doc])* $variant($table),)*
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

            /// A table without bindings for an exchange with these arguments.
            #[must_use]
            pub fn empty_table(self, arguments: &FieldTable) -> BindingTable {
                match self {
                    $(Self::$variant => BindingTable::$variant(<$table>::new(arguments)),)*
                }
            }

            /// Whether an exchange of this type may have these arguments.
            ///
            /// # Errors
            /// 406 with the type's own text.
            pub fn validate_arguments(self, arguments: &FieldTable, exchange: &Resource) -> Result<(), ChannelError> {
                match self {
                    $(Self::$variant => <$rules>::validate_arguments(arguments, exchange),)*
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
                destination: &Destination,
            ) -> Result<(), ChannelError> {
                match self {
                    $(Self::$variant => <$rules>::validate_binding(binding_key, arguments, destination)?,)*
                }
                Ok(())
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

            /// Whether messages with the same routing key may go different ways, by their headers or by chance.
            #[must_use]
            pub fn varies(&self) -> bool {
                match self {
                    $(Self::$variant(table) => table.varies(),)*
                }
            }
        }
    };
}

exchange_types! {
    /// Routing key equals binding key (AMQP 0-9-1 3.1.3.1).
    Direct, "direct", direct::Table, NoRules;
    /// Every binding (AMQP 0-9-1 3.1.3.2).
    Fanout, "fanout", fanout::Table, NoRules;
    /// Words with wildcards (AMQP 0-9-1 3.1.3.3).
    Topic, "topic", topic::Table, NoRules;
    /// Message headers against binding arguments (AMQP 0-9-1 3.1.3.4).
    Headers, "headers", headers::Table, headers::Rules;

    /// One destination by a hash of the routing key, a header or a property; weights by binding key (RabbitMQ
    /// extension).
    ConsistentHash, "x-consistent-hash", consistent_hash::Table, consistent_hash::Rules;
    /// One binding by a hash of the routing key (RabbitMQ extension).
    ModulusHash, "x-modulus-hash", modulus_hash::Table, NoRules;
    /// One binding at random (RabbitMQ extension).
    Random, "x-random", random::Table, NoRules;
    /// One queue at random (RabbitMQ extension).
    LocalRandom, "x-local-random", random::Table, local_random::Rules;
    /// Every binding; a new one gets the last messages (RabbitMQ extension).
    RecentHistory, "x-recent-history", fanout::Table, recent_history::Rules;
    /// Every binding, but no message twice (a third party's RabbitMQ extension).
    MessageDeduplication, "x-message-deduplication", fanout::Table, message_deduplication::Rules;
    /// As another type, but later (RabbitMQ plugin).
    Delayed, "x-delayed-message", delayed::Table, delayed::Rules;
}
