//! Reply codes of connection.close, channel.close and basic.return, and the text that goes with them.

use crate::string::{MAX_SHORT_STRING, ShortString, cut};

/// What RabbitMQ puts at the end of a reply text that had to be cut.
const ELLIPSIS: &str = "...";

macro_rules! reply_codes {
    ($($doc:literal $variant:ident = $code:literal $name:literal $kind:ident;)*) => {
        /// A reply code of AMQP 0-9-1 1.2, by RabbitMQ's names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum ReplyCode {
            $(#[doc = $doc] $variant = $code,)*
        }

        impl ReplyCode {
            /// All codes in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            /// The name that begins the reply text, such as `NOT_FOUND`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Whether it closes the connection; a soft one closes only the channel.
            #[must_use]
            pub const fn is_hard(self) -> bool {
                match self {
                    $(Self::$variant => reply_codes!(@ $kind),)*
                }
            }
        }
    };
    (@ hard) => { true };
    (@ soft) => { false };
}

reply_codes! {
    "An orderly close." Success = 200 "SUCCESS" soft;
    "The content is larger than the peer accepts." ContentTooLarge = 311 "CONTENT_TOO_LARGE" soft;
    "A mandatory message reached no queue." NoRoute = 312 "NO_ROUTE" soft;
    "An immediate message reached no consumer." NoConsumers = 313 "NO_CONSUMERS" soft;
    "An operator or a limit ended the connection." ConnectionForced = 320 "CONNECTION_FORCED" hard;
    "The client asked for an unknown vhost." InvalidPath = 402 "INVALID_PATH" hard;
    "The user may not do this." AccessRefused = 403 "ACCESS_REFUSED" soft;
    "The exchange or queue does not exist." NotFound = 404 "NOT_FOUND" soft;
    "Another connection has the queue for itself." ResourceLocked = 405 "RESOURCE_LOCKED" soft;
    "The state or the arguments do not allow it." PreconditionFailed = 406 "PRECONDITION_FAILED" soft;
    "A frame or its contents could not be decoded." FrameError = 501 "FRAME_ERROR" hard;
    "A field has an illegal value." SyntaxError = 502 "SYNTAX_ERROR" hard;
    "The method does not exist or comes from the wrong side." CommandInvalid = 503 "COMMAND_INVALID" hard;
    "The channel is not in the state for this method." ChannelError = 504 "CHANNEL_ERROR" hard;
    "A frame arrived where another kind was due." UnexpectedFrame = 505 "UNEXPECTED_FRAME" hard;
    "The server ran out of something." ResourceError = 506 "RESOURCE_ERROR" hard;
    "The client may not use the entity this way." NotAllowed = 530 "NOT_ALLOWED" hard;
    "The server does not have this function." NotImplemented = 540 "NOT_IMPLEMENTED" hard;
    "The server met an error of its own." InternalError = 541 "INTERNAL_ERROR" hard;
}

impl ReplyCode {
    /// The text `NAME - explanation`. Longer than 255 octets it is cut between characters and ends in `...`,
    /// as RabbitMQ does.
    #[must_use]
    pub fn reply_text(self, explanation: &str) -> ShortString {
        let text = format!("{} - {explanation}", self.name());
        if text.len() <= MAX_SHORT_STRING {
            return ShortString::truncated(&text);
        }
        let kept = cut(&text, MAX_SHORT_STRING - ELLIPSIS.len());
        ShortString::truncated(&format!("{kept}{ELLIPSIS}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_discriminants_agree() {
        for code in ReplyCode::ALL {
            assert_eq!(*code as u16, code.code());
        }
    }

    #[test]
    fn only_soft_codes_close_a_channel_alone() {
        assert!(!ReplyCode::PreconditionFailed.is_hard());
        assert!(ReplyCode::FrameError.is_hard());
        assert!(ReplyCode::ConnectionForced.is_hard());
        assert!(!ReplyCode::NotFound.is_hard());
    }

    #[test]
    fn a_short_explanation_stays_whole() {
        assert_eq!(
            ReplyCode::NotFound.reply_text("no queue 'q' in vhost '/'"),
            "NOT_FOUND - no queue 'q' in vhost '/'"
        );
    }

    #[test]
    fn a_long_explanation_ends_in_dots_at_a_character() {
        let text = ReplyCode::NotFound.reply_text(&"x".repeat(300));
        assert_eq!(text.len(), 255);
        assert!(text.to_str_lossy().ends_with("xxx..."));
        let text = ReplyCode::NotFound.reply_text(&format!("x{}", "é".repeat(200)));
        assert!(text.as_str().is_some_and(|text| text.ends_with("é...")));
    }
}
