//! Terms as Erlang prints them: RabbitMQ quotes frames and values this way in its reply texts.
//!
//! `~p` (readable, broken at 80 columns) is used for frames, `~w` (numbers only) for method arguments, `~tp` (readable,
//! by UTF-8) for values. Binaries and tuples are here, numbers and values in files of their own.

mod float;
mod value;

use std::fmt::Write;

use self::float::number;
pub use self::value::{erlang_term, erlang_text};

/// Line length of `~p` (Erlang `io_lib_pretty`).
const LINE: usize = 80;
/// A pair that ends before this column, counted from zero, stays on its line.
const LAST_END: usize = LINE - 1;
/// Of a broken binary no line has more columns than this for its numbers (Erlang `io_lib_pretty`).
const NUMBERS_PER_LINE: usize = 56;
/// More octets than a reply text of 255 octets can show; the rest is left out before it is printed.
const SHOWN: usize = 130;

/// A binary as `~p` prints it at the start of a line: `<<"text">>`, `<<"text"/utf8>>` or `<<1,2,3>>`.
#[must_use]
pub fn erlang_binary(octets: &[u8]) -> String {
    binary_at(octets, 0)
}

/// A binary as `~w` prints it: always numbers, such as `<<97,98>>`. Only so much as a reply text can show.
#[must_use]
pub fn erlang_octets(octets: &[u8]) -> String {
    numbers(octets.get(..SHOWN).unwrap_or(octets))
}

/// A binary as `~p` prints it from the given column on, counted from zero.
pub(crate) fn binary_at(octets: &[u8], column: usize) -> String {
    if octets.is_empty() {
        return "<<>>".to_owned();
    }
    if let Some(text) = text(octets) {
        return text;
    }
    broken_numbers(octets, column)
}

/// `{name,value}` as `~p` prints it from the given column on, counted from zero.
pub(crate) fn pair_at(name: &str, value: u8, column: usize) -> String {
    let line = format!("{{{name},{value}}}");
    if column + line.len() < LAST_END {
        return line;
    }
    format!("{{{name},\n{}{value}}}", " ".repeat(column + 1))
}

/// The octets in quotes when all are printable: as Latin-1 first, else as UTF-8.
fn text(octets: &[u8]) -> Option<String> {
    if latin_1(octets).all(is_printable) {
        return Some(format!("<<\"{}\">>", escaped(latin_1(octets))));
    }
    utf8_text(octets)
}

fn utf8_text(octets: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    if !text.chars().all(is_printable) {
        return None;
    }
    Some(format!("<<\"{}\"/utf8>>", escaped(text.chars())))
}

/// A binary as `~tp` prints it: as text by UTF-8 first, else by Latin-1.
fn quoted_utf8(octets: &[u8]) -> String {
    let plain = octets.is_ascii();
    utf8_text(octets).filter(|_| !plain).unwrap_or_else(|| binary_at(octets, 0))
}

fn latin_1(octets: &[u8]) -> impl Iterator<Item = char> + '_ {
    octets.iter().map(|octet| char::from(*octet))
}

/// What Erlang started with `+pc unicode` takes for printable (`io_lib:printable_unicode_list`).
fn is_printable(character: char) -> bool {
    matches!(character,
        '\u{8}'..='\r' | '\u{1b}' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && character != '\u{feff}'
}

fn escaped(characters: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for character in characters {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{1b}' => out.push_str("\\e"),
            other => out.push(other),
        }
    }
    out
}

fn numbers(octets: &[u8]) -> String {
    let mut out = String::from("<<");
    for (index, octet) in octets.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(out, "{comma}{octet}");
    }
    out.push_str(">>");
    out
}

/// The numbers over as many lines as they need, each beginning under the first number.
fn broken_numbers(octets: &[u8], column: usize) -> String {
    let indent = format!("\n{}", " ".repeat(column + 2));
    let width = LINE.saturating_sub(column + 3).clamp(8, NUMBERS_PER_LINE);
    let mut out = String::from("<<");
    let mut left = width;
    for (index, octet) in octets.iter().enumerate() {
        let comma = if index + 1 == octets.len() { "" } else { "," };
        let item = format!("{octet}{comma}");
        if item.len() > left {
            out.push_str(&indent);
            left = width;
        }
        left = left.saturating_sub(item.len());
        out.push_str(&item);
    }
    out.push_str(">>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // Every expectation was read off RabbitMQ 4.3.
    #[test]
    fn prints_text_in_quotes_and_other_octets_as_numbers() {
        assert_eq!(erlang_binary(b""), "<<>>");
        assert_eq!(erlang_binary(b"abc"), "<<\"abc\">>");
        assert_eq!(erlang_binary(&[1, 2, 3]), "<<1,2,3>>");
        assert_eq!(erlang_binary(b"abc\0"), "<<97,98,99,0>>");
        assert_eq!(erlang_binary(b"a\"\\\n\t\x1b\r\x0b\x08\x0c'"), r#"<<"a\"\\\n\t\e\r\v\b\f'">>"#);
        assert_eq!(erlang_binary(b"a\"\\\n\t\x1b\x7f"), "<<97,34,92,10,9,27,127>>");
    }

    #[test]
    fn prefers_latin_1_over_utf_8() {
        assert_eq!(erlang_binary(b"\xe9\xe8"), "<<\"éè\">>");
        assert_eq!(erlang_binary("é".as_bytes()), "<<\"Ã©\">>");
        assert_eq!(erlang_binary("é€".as_bytes()), "<<\"é€\"/utf8>>");
        assert_eq!(erlang_binary("€\"\n".as_bytes()), "<<\"€\\\"\\n\"/utf8>>");
        assert_eq!(erlang_binary("€\u{85}".as_bytes()), "<<226,130,172,194,133>>");
    }

    #[test]
    fn method_arguments_are_always_numbers() {
        assert_eq!(erlang_octets(b"abc"), "<<97,98,99>>");
        assert!(erlang_octets(&[200; 100_000]).len() < 1000);
    }

    #[test]
    fn breaks_long_binaries_under_their_first_number() {
        assert_eq!(binary_at(&[128; 16], 21), format!("<<{}\n{}128,128>>", "128,".repeat(14), " ".repeat(23)));
        assert_eq!(binary_at(&[128; 16], 28), format!("<<{}\n{}128,128,128,128>>", "128,".repeat(12), " ".repeat(30)));
    }

    #[test]
    fn fills_a_line_to_its_end() {
        let whole = format!("<<{}128>>", "128,".repeat(13));
        assert_eq!(binary_at(&[128; 14], 21), whole);
        let octets = [&[128; 11][..], &[16, 16], &[128; 3]].concat();
        let broken = format!("<<{}16,16,\n{}128,128,128>>", "128,".repeat(11), " ".repeat(29));
        assert_eq!(binary_at(&octets, 27), broken);
    }

    #[test]
    fn breaks_a_pair_that_would_reach_the_end_of_the_line() {
        assert_eq!(pair_at("invalid_frame_end_marker", 1, 50), "{invalid_frame_end_marker,1}");
        assert_eq!(
            pair_at("invalid_frame_end_marker", 20, 50),
            format!("{{invalid_frame_end_marker,\n{}20}}", " ".repeat(51))
        );
    }
}
