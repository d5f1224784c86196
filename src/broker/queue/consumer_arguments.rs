//! Arguments of basic.consume on a classic queue. What RabbitMQ does not know is accepted and has no effect, as there.

use leveret_protocol::FieldTable;

use crate::broker::error::ChannelError;
use crate::broker::resource::Resource;

const PRIORITY: &str = "x-priority";

/// Arguments that only consumers of quorum queues and streams have.
const OF_OTHER_TYPES: [&str; 4] =
    ["x-consumer-timeout", "x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered"];

/// The consumer's priority (RabbitMQ extension); higher is served first, 0 is the default.
///
/// # Errors
/// 406 for a priority that is no integer, or an argument of another queue type.
pub fn priority(arguments: &FieldTable, queue: &Resource) -> Result<i64, ChannelError> {
    let priority = arguments.get(PRIORITY).map_or(Ok(0), |value| {
        value.as_integer().ok_or_else(|| ChannelError::InvalidArgument {
            argument: PRIORITY.to_owned(),
            resource: queue.clone(),
            reason: format!("\"expected integer, got {}\"", value.type_name()),
        })
    })?;
    match arguments.iter().find(|(name, _)| OF_OTHER_TYPES.iter().any(|other| *name == *other)) {
        Some((name, _)) => Err(ChannelError::ArgumentOfOtherType {
            argument: name.to_str_lossy().into_owned(),
            resource: queue.clone(),
            queue_type: super::arguments::CLASSIC,
        }),
        None => Ok(priority),
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::{FieldValue, ShortString};

    use super::*;

    fn answer(arguments: &[(&'static str, FieldValue)]) -> Result<i64, String> {
        let table = arguments
            .iter()
            .map(|(name, value)| (ShortString::from_static(name), value.clone()))
            .collect::<FieldTable>();
        let queue = Resource::queue(&ShortString::from_static("q"), &ShortString::from_static("/"));
        priority(&table, &queue).map_err(|error| error.to_string())
    }

    #[test]
    fn any_integer_is_a_priority() {
        assert_eq!(answer(&[]), Ok(0));
        assert_eq!(answer(&[("x-priority", FieldValue::I8(-3)), ("x-of-our-own", FieldValue::Void)]), Ok(-3));
    }

    #[test]
    fn a_wrong_priority_is_told_before_an_argument_of_another_type() {
        let offset = ("x-stream-offset", FieldValue::text("first"));
        let filter = ("x-stream-filter", FieldValue::text("a"));
        let of_other_type = |argument| {
            Err(format!("invalid arg '{argument}' for queue 'q' in vhost '/' of queue type rabbit_classic_queue"))
        };
        assert_eq!(answer(&[offset.clone(), filter.clone()]), of_other_type("x-stream-offset"));
        assert_eq!(answer(&[filter, offset.clone()]), of_other_type("x-stream-filter"));
        assert_eq!(
            answer(&[offset, ("x-priority", FieldValue::text("high"))]),
            Err("invalid arg 'x-priority' for queue 'q' in vhost '/': \"expected integer, got longstr\"".to_owned())
        );
    }
}
