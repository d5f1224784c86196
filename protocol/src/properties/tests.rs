//! Round trips of properties, and what is refused.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::samples;

proptest! {
    #[test]
    fn properties_survive_the_wire(properties in samples::properties()) {
        let mut out = BytesMut::new();
        properties.encode(&mut out);
        prop_assert_eq!(Properties::decode(&out), Ok(properties));
        out.extend_from_slice(&[0]);
        prop_assert_eq!(Properties::decode(&out), Err(PropertiesError::Trailing { count: 1 }));
    }

    #[test]
    fn properties_cut_short_are_refused(properties in samples::properties(), at: prop::sample::Index) {
        let mut out = BytesMut::new();
        properties.encode(&mut out);
        prop_assert!(Properties::decode(&out[..at.index(out.len())]).is_err());
    }

    #[test]
    fn any_octets_are_properties_or_an_error(octets: Vec<u8>) {
        let _ = Properties::decode(&octets);
    }
}

#[test]
fn the_two_lowest_flags_mean_nothing() {
    assert_eq!(Properties::decode(&[0, 3]), Ok(Properties::default()));
}

#[test]
fn an_empty_property_is_not_an_absent_one() {
    let properties = Properties::decode(&[0xA0, 0, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(properties.content_type, Some(ShortString::default()));
    assert_eq!(properties.headers, Some(FieldTable::default()));
    assert_eq!(properties.content_encoding, None);
    assert_eq!(properties.flags(), 0xA000);
}
