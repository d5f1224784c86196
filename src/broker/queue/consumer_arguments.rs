//! Arguments of basic.consume. What RabbitMQ does not know is accepted and has no effect, as there.

use std::time::Duration;

use leveret_protocol::FieldTable;

use super::arguments::{QueueType, integer, not_negative};
use crate::broker::error::ChannelError;
use crate::broker::resource::Resource;

const PRIORITY: &str = "x-priority";

const TIMEOUT: &str = "x-consumer-timeout";

/// Arguments that only consumers of streams have.
const OF_STREAMS: [&str; 3] = ["x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered"];

/// What the arguments of a consumer ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Higher is served first (RabbitMQ extension); 0 is the default.
    pub priority: i64,
    /// How long its deliveries may stay unacked: zero is for ever, `None` as the queue has it. RabbitMQ takes it on
    /// quorum queues only.
    pub timeout: Option<Duration>,
}

/// Reads the arguments of a consumer of a queue of this type.
///
/// # Errors
/// 406 for a wrong value, or an argument of another queue type.
pub fn check(arguments: &FieldTable, queue_type: QueueType, queue: &Resource) -> Result<Wanted, ChannelError> {
    let invalid = |argument: &str, reason| ChannelError::InvalidArgument {
        argument: argument.to_owned(),
        resource: queue.clone(),
        reason,
    };
    let priority = arguments.get(PRIORITY).map_or(Ok(0), integer).map_err(|reason| invalid(PRIORITY, reason))?;
    let timeout = arguments.get(TIMEOUT).map(not_negative).transpose().map_err(|reason| invalid(TIMEOUT, reason))?;
    match arguments.iter().find(|(name, _)| OF_STREAMS.iter().any(|other| *name == *other)) {
        Some((name, _)) => Err(ChannelError::ArgumentOfOtherType {
            argument: name.to_str_lossy().into_owned(),
            resource: queue.clone(),
            queue_type: queue_type.module(),
        }),
        None => Ok(Wanted { priority, timeout: timeout.map(Duration::from_millis) }),
    }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::{FieldValue, ShortString};

    use super::*;

    fn answer(arguments: &[(&'static str, FieldValue)]) -> Result<Wanted, String> {
        let table = arguments
            .iter()
            .map(|(name, value)| (ShortString::from_static(name), value.clone()))
            .collect::<FieldTable>();
        let queue = Resource::queue(&ShortString::from_static("q"), &ShortString::from_static("/"));
        check(&table, QueueType::Classic, &queue).map_err(|error| error.to_string())
    }

    #[test]
    fn any_integer_is_a_priority() {
        assert_eq!(answer(&[]), Ok(Wanted::default()));
        assert_eq!(
            answer(&[("x-priority", FieldValue::I8(-3)), ("x-of-our-own", FieldValue::Void)]),
            Ok(Wanted { priority: -3, timeout: None })
        );
    }

    #[test]
    fn a_timeout_is_no_negative_number() {
        let answer = |value| answer(&[("x-consumer-timeout", value)]);
        let timeout = |millis| Ok(Wanted { priority: 0, timeout: Some(Duration::from_millis(millis)) });
        assert_eq!(answer(FieldValue::I32(0)), timeout(0));
        assert_eq!(answer(FieldValue::I64(2500)), timeout(2500));
        let text = "invalid arg 'x-consumer-timeout' for queue 'q' in vhost '/': {value_negative,-1}";
        assert_eq!(answer(FieldValue::I32(-1)), Err(text.to_owned()));
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
