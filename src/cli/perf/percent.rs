//! Percent-decoding of a part of a URI.

/// The text, or nothing when an escape is cut short or the octets are not UTF-8.
pub(super) fn decode(part: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(octet) = rest.next() {
        if octet == b'%' {
            let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
            octets.push(high << 4 | low);
        } else {
            octets.push(octet);
        }
    }
    String::from_utf8(octets).ok()
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn escapes_are_two_digits_and_the_rest_stays() {
        assert_eq!(decode("a%2Fb%c3%a9+").as_deref(), Some("a/bé+"));
        for wrong in ["%", "%2", "%+1", "%ff"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
