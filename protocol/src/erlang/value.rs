//! Values of field tables as Erlang terms: RabbitMQ quotes the arguments that it refuses.

use std::fmt::Write;

use super::{latin_1, number, quoted_utf8};
use crate::{FieldTable, FieldValue};

/// A value in the middle of a sentence (`~ts` of a string, `~tp` of anything else): strings and binaries as their
/// text, by Latin-1 where they are not UTF-8; all others as [`erlang_term`] prints them.
#[must_use]
pub fn erlang_text(value: &FieldValue) -> String {
    match value.as_bytes() {
        Some(octets) => std::str::from_utf8(octets).map_or_else(|_| latin_1(octets).collect(), str::to_owned),
        None => erlang_term(value),
    }
}

/// A value as `~tp` prints it, on one line however long: RabbitMQ breaks lines where they get long.
#[must_use]
pub fn erlang_term(value: &FieldValue) -> String {
    let mut out = String::new();
    term(value, &mut out);
    out
}

fn term(value: &FieldValue, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = match value {
        FieldValue::Bool(flag) => write!(out, "{flag}"),
        FieldValue::I8(number) => write!(out, "{number}"),
        FieldValue::U8(number) => write!(out, "{number}"),
        FieldValue::I16(number) => write!(out, "{number}"),
        FieldValue::U16(number) => write!(out, "{number}"),
        FieldValue::I32(number) => write!(out, "{number}"),
        FieldValue::U32(number) => write!(out, "{number}"),
        FieldValue::I64(number) => write!(out, "{number}"),
        FieldValue::Timestamp(seconds) => write!(out, "{seconds}"),
        FieldValue::F32(fraction) => write!(out, "{}", number(f64::from(*fraction))),
        FieldValue::F64(fraction) => write!(out, "{}", number(*fraction)),
        FieldValue::Decimal { scale, value } => write!(out, "{{{scale},{value}}}"),
        FieldValue::LongString(octets) | FieldValue::Binary(octets) => write!(out, "{}", quoted_utf8(octets)),
        FieldValue::Void => write!(out, "undefined"),
        FieldValue::Array(values) => return array(values, out),
        FieldValue::Table(entries) => return table(entries, out),
    };
}

/// `[{signedint,1},{longstr,<<"two">>}]`.
fn array(values: &[FieldValue], out: &mut String) {
    out.push('[');
    for (index, value) in values.iter().enumerate() {
        out.push_str(if index == 0 { "{" } else { ",{" });
        out.push_str(value.type_name());
        out.push(',');
        term(value, out);
        out.push('}');
    }
    out.push(']');
}

/// `[{<<"name">>,signedint,1}]`.
fn table(entries: &FieldTable, out: &mut String) {
    out.push('[');
    for (index, (name, value)) in entries.iter().enumerate() {
        out.push_str(if index == 0 { "{" } else { ",{" });
        out.push_str(&quoted_utf8(name.as_bytes()));
        out.push(',');
        out.push_str(value.type_name());
        out.push(',');
        term(value, out);
        out.push('}');
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ShortString;

    // Every expectation was read off RabbitMQ 4.3.
    #[test]
    fn prints_members_with_their_types() {
        let inner: FieldTable = [(ShortString::from_static("a"), FieldValue::I32(1))].into_iter().collect();
        let members = vec![
            FieldValue::Bool(true),
            FieldValue::Void,
            FieldValue::Decimal { scale: 2, value: 314 },
            FieldValue::F32(0.5),
            FieldValue::text("two"),
            FieldValue::Binary(Bytes::from_static(&[0, 1])),
            FieldValue::Table(inner),
            FieldValue::Array(Vec::new()),
        ];
        assert_eq!(
            erlang_text(&FieldValue::Array(members)),
            "[{bool,true},{void,undefined},{decimal,{2,314}},{float,0.5},{longstr,<<\"two\">>},{binary,<<0,1>>},\
             {table,[{<<\"a\">>,signedint,1}]},{array,[]}]"
        );
    }

    #[test]
    fn a_string_is_its_text_in_a_sentence_and_a_binary_as_a_term() {
        let binary = |octets: &'static [u8]| FieldValue::Binary(Bytes::from_static(octets));
        assert_eq!(erlang_text(&FieldValue::text("é€")), "é€");
        assert_eq!(erlang_text(&binary(b"\xe9a")), "éa");
        assert_eq!(erlang_term(&binary(b"all")), "<<\"all\">>");
        assert_eq!(erlang_term(&binary("é".as_bytes())), "<<\"é\"/utf8>>");
        assert_eq!(erlang_term(&binary(b"\xe9")), "<<\"é\">>");
        assert_eq!(erlang_term(&binary(b"\xc3\xa9\0")), "<<195,169,0>>");
        assert_eq!(erlang_term(&binary(b"\"\n")), "<<\"\\\"\\n\">>");
    }
}
