//! Content headers: round trips, and the view against the full decoder.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::{FieldTable, PropertiesError, samples};

fn encoded(header: &ContentHeader) -> Vec<u8> {
    let mut out = BytesMut::new();
    header.encode(&mut out);
    out.to_vec()
}

fn agree(octets: &[u8]) -> Result<(), TestCaseError> {
    let view = HeaderView::parse(octets);
    let header = ContentHeader::decode(octets);
    prop_assert_eq!(view.map(|_| ()), header.as_ref().map(|_| ()).map_err(|error| *error));
    let (Ok(view), Ok(header)) = (view, header) else {
        return Ok(());
    };
    prop_assert_eq!(view.payload(), octets);
    prop_assert_eq!(
        (view.class_id(), view.weight(), view.body_size()),
        (header.class_id, header.weight, header.body_size)
    );
    let properties = &header.properties;
    prop_assert_eq!(view.flags() & 0xFFFC, properties.flags());
    prop_assert_eq!(view.delivery_mode(), properties.delivery_mode);
    prop_assert_eq!(view.priority(), properties.priority);
    prop_assert_eq!(view.expiration(), properties.expiration.as_ref().map(AsRef::as_ref));
    prop_assert_eq!(view.reply_to(), properties.reply_to.as_ref().map(AsRef::as_ref));
    prop_assert_eq!(view.user_id(), properties.user_id.as_ref().map(AsRef::as_ref));
    // Compared as text: a table may hold a float that is not a number, which equals nothing.
    let headers = view.headers().map(|octets| FieldTable::decode(octets).unwrap().0);
    prop_assert_eq!(format!("{headers:?}"), format!("{:?}", properties.headers));
    prop_assert_eq!(format!("{:?}", view.properties().unwrap()), format!("{:?}", properties));
    Ok(())
}

proptest! {
    #[test]
    fn a_header_survives_the_wire(header in samples::header()) {
        let octets = encoded(&header);
        prop_assert_eq!(ContentHeader::decode(&octets), Ok(header));
        agree(&octets)?;
    }

    #[test]
    fn the_view_and_the_decoder_agree_on_damaged_headers(
        octets in samples::damaged(samples::header().prop_map(|header| encoded(&header)))
    ) {
        agree(&octets)?;
    }

    #[test]
    fn the_view_and_the_decoder_agree_on_any_octets(octets: Vec<u8>, flags in 0..16_u16) {
        agree(&octets)?;
        let fixed = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        agree(&[&fixed[..], &(flags << 10).to_be_bytes(), &octets].concat())?;
    }
}

#[test]
fn a_header_without_flags_is_told_from_no_header() {
    assert_eq!(HeaderView::parse(&[0; 11]), Err(ContentError::Truncated));
    let without_flags = Err(ContentError::Properties(PropertiesError::Truncated));
    assert_eq!(HeaderView::parse(&[0; 12]), without_flags);
}

#[test]
fn a_header_frame_is_the_encoded_header_between_head_and_end() {
    let header = ContentHeader::new(5, Properties::default());
    let mut out = BytesMut::new();
    header.write_frame(7, &mut out);
    assert_eq!(out[..], [2, 0, 7, 0, 0, 0, 14, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0xCE]);
}
