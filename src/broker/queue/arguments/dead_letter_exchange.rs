//! `x-dead-letter-exchange`: where dead messages go.

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::{Argument, Support};
use crate::broker::error::ChannelError;
use crate::broker::resource::Resource;

pub(super) const ARGUMENT: Argument =
    Argument { name: "x-dead-letter-exchange", support: Support::Honoured, check: |_, _| Ok(()) };

/// The dead-letter exchange that is asked for, where its name can be one.
#[must_use]
pub fn value(arguments: &FieldTable) -> Option<ShortString> {
    super::name_in(arguments.get(ARGUMENT.name)?)
}

/// Checks its type, before permissions are looked at.
///
/// # Errors
/// 406 `invalid type 'T' for arg 'x-dead-letter-exchange' in queue 'q' in vhost 'v'`.
pub fn check(arguments: &FieldTable, resource: &Resource) -> Result<(), ChannelError> {
    match arguments.get(ARGUMENT.name) {
        None | Some(FieldValue::LongString(_)) => Ok(()),
        Some(other) => Err(ChannelError::ArgumentType {
            found: other.type_name(),
            argument: ARGUMENT.name,
            resource: resource.clone(),
        }),
    }
}
