//! What stands in the log after an event.

use std::{
    io::{self, Write},
    sync::Arc,
};

use parking_lot::Mutex;

use super::*;

/// A log that is kept in memory.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `events` writes, each without its time.
fn logged(level: LogLevel, format: LogFormat, events: impl FnOnce()) -> Vec<String> {
    let kept = Kept::default();
    let writer = kept.clone();
    tracing::subscriber::with_default(subscriber(level, format, move || writer.clone()), events);
    let text = String::from_utf8(kept.0.lock().clone()).unwrap();
    let year = text.find("20").unwrap_or_default();
    let time = "2026-08-24 10:11:12.123456+00:00".len();
    text.lines().map(|line| line.chars().take(year).chain(line.chars().skip(year + time)).collect()).collect()
}

#[test]
fn a_plain_line_has_level_message_and_fields() {
    let lines = logged(LogLevel::Info, LogFormat::Plaintext, || {
        tracing::info!("started TCP listener on {}", "[::]:5672");
        tracing::warn!(user = "a b", vhost = "/", count = 3, "look");
        tracing::debug!("not written");
    });
    assert_eq!(lines, [" [info] started TCP listener on [::]:5672", r#" [warning] look user="a b" vhost=/ count=3"#]);
}

#[test]
fn a_client_cannot_write_lines_of_its_own() {
    let lines = logged(LogLevel::Info, LogFormat::Plaintext, || {
        tracing::info!(name = %"x\ny", "connection {}", "a\n2026 [error] forged\u{1b}[31m");
    });
    assert_eq!(lines, [r" [info] connection a\n2026 [error] forged\u{1b}[31m name=x\ny"]);
}

#[test]
fn a_json_line_has_time_level_msg_and_fields() {
    let lines = logged(LogLevel::Debug, LogFormat::Json, || {
        tracing::debug!(user = "a\"b", count = 3, tls = false, level = "mine", "two\nlines \\ {}", 'x');
    });
    let expected = r#"{"time":"","level":"debug","msg":"two\nlines \\ x","user":"a\"b","count":3,"tls":false,"field_level":"mine"}"#;
    assert_eq!(lines, [expected]);
}

#[test]
fn the_level_decides_what_is_written() {
    let all = || {
        tracing::error!("e");
        tracing::warn!("w");
        tracing::info!("i");
        tracing::debug!("d");
        tracing::trace!("t");
    };
    let count = |level| logged(level, LogFormat::Plaintext, all).len();
    assert_eq!([count(LogLevel::Debug), count(LogLevel::Info), count(LogLevel::Notice)], [4, 3, 3]);
    assert_eq!([count(LogLevel::Warning), count(LogLevel::Error), count(LogLevel::Critical)], [2, 1, 1]);
    assert_eq!(count(LogLevel::None), 0);
}
