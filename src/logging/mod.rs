//! The log: which messages are written, to standard error, and in which form. Does not decide what is worth a message.

mod json;
mod plaintext;
mod timestamp;

#[cfg(test)]
mod tests;

use std::{fmt, io};

use tracing::{Event, Level, Subscriber, level_filters::LevelFilter, subscriber::SetGlobalDefaultError};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer},
    registry::LookupSpan,
};

use self::timestamp::Timestamp;
use crate::config::{LogFormat, LogLevel};

/// Sends the log of the whole process to standard error from now on.
///
/// # Errors
/// When a log was started before.
pub fn start(level: LogLevel, format: LogFormat) -> Result<(), SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(subscriber(level, format, io::stderr))
}

fn subscriber<W>(level: LogLevel, format: LogFormat, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt().with_max_level(filter(level)).event_format(Line(format)).with_writer(writer).finish()
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info | LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Error | LogLevel::Critical => LevelFilter::ERROR,
        LogLevel::None => LevelFilter::OFF,
    }
}

/// RabbitMQ's name for a level.
fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

/// Writes an event as one line. Spans are not written: a message says itself what it is about.
struct Line(LogFormat);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = name(*event.metadata().level());
        match self.0 {
            LogFormat::Plaintext => plaintext::write(&mut writer, Timestamp::now(), level, event),
            LogFormat::Json => json::write(&mut writer, Timestamp::now(), level, event),
        }
    }
}
