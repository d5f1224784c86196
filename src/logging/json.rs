//! A log line as a JSON object with RabbitMQ's keys: `time`, `level`, `msg`, and the other fields by their names.

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
    write!(writer, r#"{{"time":"{time}","level":"{level}","msg":{}"#, Quoted(&line.message))?;
    writeln!(writer, "{}}}", line.others)
}

/// The message as it is, and the other fields as `,"name":value`.
#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Fields {
    fn push(&mut self, field: &Field, value: impl fmt::Display) {
        // A name of our own must not come twice in one object.
        let prefix = if matches!(field.name(), "time" | "level" | "msg") { "field_" } else { "" };
        let _ = write!(self.others, r#","{prefix}{}":{value}"#, field.name());
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
            return;
        }
        self.push(field, Quoted(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// A text as a JSON string (RFC 8259 section 7).
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' => formatter.write_str("\\\"")?,
                '\\' => formatter.write_str("\\\\")?,
                '\n' => formatter.write_str("\\n")?,
                '\r' => formatter.write_str("\\r")?,
                '\t' => formatter.write_str("\\t")?,
                control if control.is_control() => write!(formatter, "\\u{:04x}", u32::from(control))?,
                other => formatter.write_char(other)?,
            }
        }
        formatter.write_char('"')
    }
}
