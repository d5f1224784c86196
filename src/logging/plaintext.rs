//! A log line as RabbitMQ's console writes it: `TIME [LEVEL] MESSAGE key=value`.

use std::fmt::{self, Write as _};

use tracing::{
    Event,
    field::{Field, Visit},
};
use tracing_subscriber::fmt::format::Writer;

use super::timestamp::Timestamp;

pub(super) fn write(writer: &mut Writer<'_>, time: Timestamp, level: &str, event: &Event<'_>) -> fmt::Result {
    let mut line = Fields::default();
    event.record(&mut line);
    writeln!(writer, "{time} [{level}] {}{}", line.message, line.others)
}

/// The message and the other fields, with control characters escaped: names come from clients, and no client may write
/// lines of its own into the log.
#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let plain = !value.is_empty() && !value.contains(|letter: char| letter.is_whitespace() || letter == '"');
        if plain || field.name() == "message" {
            self.record_debug(field, &format_args!("{value}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(Escaped(&mut self.message), "{value:?}");
            return;
        }
        let _ = write!(Escaped(&mut self.others), " {}={value:?}", field.name());
    }
}

/// Passes text on with control characters written as `\n`, `\u{7f}` and so on.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if letter.is_control() {
                self.0.extend(letter.escape_default());
            } else {
                self.0.push(letter);
            }
        }
        Ok(())
    }
}
