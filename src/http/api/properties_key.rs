//! The name that a binding has in a path, among those between the same two ends. RabbitMQ's form: the routing key, and
//! behind a tilde a hash of the arguments where there are any. Clients take it as it is.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::broker::exchange::Binding;

/// Bytes of the hash: as many as RabbitMQ's has.
const HASH: usize = 16;

/// A binding's key.
pub(super) fn of(binding: &Binding) -> String {
    let key = quoted(binding.binding_key.as_bytes());
    if binding.arguments.is_empty() {
        return if key.is_empty() { "~".to_owned() } else { key };
    }
    let digest = Sha256::digest(binding.canonical_arguments());
    format!("{key}~{}", URL_SAFE_NO_PAD.encode(digest.get(..HASH).unwrap_or_default()))
}

/// Percent-encodes all but letters, digits and `.-_`; a blank becomes `+`.
pub(super) fn quoted(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for &octet in octets {
        match octet {
            b' ' => text.push('+'),
            b'.' | b'-' | b'_' => text.push(char::from(octet)),
            octet if octet.is_ascii_alphanumeric() => text.push(char::from(octet)),
            octet => {
                let _ = write!(text, "%{octet:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use leveret_protocol::{FieldTable, FieldValue, ShortString};

    use super::*;
    use crate::broker::exchange::Destination;

    fn key(binding_key: &str, arguments: &[(&str, i64)]) -> String {
        let name = |text: &str| ShortString::new(text).unwrap();
        let arguments: FieldTable = arguments.iter().map(|(key, value)| (name(key), FieldValue::I64(*value))).collect();
        of(&Binding::new(name("x"), Destination::Exchange(name("y")), name(binding_key), arguments))
    }

    #[test]
    fn is_the_quoted_routing_key_or_a_tilde() {
        assert_eq!(key("", &[]), "~");
        assert_eq!(key("a b~c/d", &[]), "a+b%7Ec%2Fd");
    }

    #[test]
    fn arguments_in_any_order_make_the_same_hash() {
        let one = key("k", &[("a", 1), ("b", 2)]);
        assert_eq!(one, key("k", &[("b", 2), ("a", 1)]));
        assert!(one.starts_with("k~") && one.len() == 2 + 22, "{one}");
        assert_ne!(one, key("k", &[("a", 1), ("b", 3)]));
        assert!(key("", &[("a", 1)]).starts_with('~'));
    }
}
