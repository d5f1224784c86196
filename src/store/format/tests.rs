//! What is encoded decodes to the same, and nothing else does.

use std::ops::RangeInclusive;

use proptest::prelude::*;

use super::{
    CONTENT_START, FileHeader, FrameHeader, HeaderPage, Raw, Record, Requeue, SETTLES_ONLY, put, requeue, settle,
    varint,
};
use crate::store::{FileNumber, Position, QueueKey};

fn only(bytes: &[u8]) -> Record<'_> {
    let (raw, rest) = Raw::split(bytes).unwrap();
    assert!(raw.verifies() && rest.is_empty());
    assert_eq!(raw.len() as usize, bytes.len());
    raw.parse().unwrap()
}

fn any_range() -> impl Strategy<Value = RangeInclusive<u64>> {
    (any::<u64>(), any::<u64>()).prop_map(|(a, b)| a.min(b)..=a.max(b))
}

proptest! {
    #[test]
    fn a_varint_reads_back_and_leaves_what_follows(value: u64, rest: Vec<u8>) {
        let mut bytes = Vec::new();
        varint::write(&mut bytes, value);
        prop_assert!(bytes.len() <= 10);
        bytes.extend_from_slice(&rest);
        let mut from = &bytes[..];
        prop_assert_eq!(varint::read(&mut from), Some(value));
        prop_assert_eq!(from, &rest[..]);
    }

    #[test]
    fn a_difference_folds_and_unfolds(difference: u64) {
        prop_assert_eq!(varint::unfold(varint::fold(difference)), difference);
    }

    #[test]
    fn a_put_reads_back(targets: Vec<(u64, u64)>, transient: bool, parts: Vec<Vec<u8>>) {
        let targets: Vec<_> = targets.into_iter().map(|(queue, sequence)| (QueueKey(queue), sequence)).collect();
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let mut bytes = Vec::new();
        let length = put(&mut bytes, &targets, transient, &slices);
        prop_assert_eq!(length as usize, bytes.len());
        prop_assert!(bytes.len() <= parts.concat().len() + 64 + 24 * targets.len());
        let Record::Put(read) = only(&bytes) else { panic!("not a put") };
        prop_assert_eq!(read.transient, transient);
        prop_assert_eq!(read.payload, &parts.concat()[..]);
        prop_assert_eq!(read.targets().collect::<Vec<_>>(), targets);
    }

    #[test]
    fn a_settle_reads_back(queue: u64, ranges in proptest::collection::vec(any_range(), 0..20)) {
        let mut bytes = Vec::new();
        settle(&mut bytes, QueueKey(queue), &ranges);
        prop_assert!(bytes.len() <= 64 + 24 * ranges.len());
        let Record::Settle(read) = only(&bytes) else { panic!("not a settle") };
        prop_assert_eq!(read.queue, QueueKey(queue));
        prop_assert_eq!(read.ranges().collect::<Vec<_>>(), ranges);
    }

    #[test]
    fn a_requeue_reads_back(queue: u64, sequence: u64, deliveries: u64) {
        let value = Requeue { queue: QueueKey(queue), sequence, deliveries };
        let mut bytes = Vec::new();
        requeue(&mut bytes, &value);
        let Record::Requeue(read) = only(&bytes) else { panic!("not a requeue") };
        prop_assert_eq!(read, value);
    }

    #[test]
    fn any_bytes_are_a_record_or_malformed(bytes: Vec<u8>) {
        if let Ok((raw, rest)) = Raw::split(&bytes) {
            prop_assert_eq!(raw.len() as usize + rest.len(), bytes.len());
            let _ = raw.parse();
        }
    }

    #[test]
    fn a_flipped_bit_of_a_record_is_noticed(payload in proptest::collection::vec(any::<u8>(), 0..200), at: usize, bit in 0..8) {
        let mut bytes = Vec::new();
        put(&mut bytes, &[(QueueKey(1), 2)], false, &[&payload]);
        let at = at % bytes.len();
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(Raw::split(&bytes).map_or(true, |(raw, _)| !raw.verifies()));
    }

    #[test]
    fn a_frame_header_reads_back_at_its_place_with_its_salt_only(
        salt: u64, offset in any::<u32>(), body in any::<u32>(), records: u32, body_crc: u32, flip in 0..384_usize,
    ) {
        let position = Position::new(FileNumber(7), offset);
        let header = FrameHeader {
            position, durable: Position(position.0 / 2), body_length: body & !7, records, body_crc, flags: SETTLES_ONLY,
        };
        let mut bytes = header.encode(salt);
        prop_assert!(FrameHeader::may_begin(&bytes));
        prop_assert_eq!(FrameHeader::decode(&bytes, salt, position), Some(header));
        prop_assert_eq!(FrameHeader::decode(&bytes, salt.wrapping_add(1), position), None);
        prop_assert_eq!(FrameHeader::decode(&bytes, salt, Position(position.0 + 8)), None);
        bytes[flip / 8] ^= 1_u8 << (flip % 8);
        prop_assert_eq!(FrameHeader::decode(&bytes, salt, position), None);
    }

    #[test]
    fn a_file_header_outlives_the_loss_of_either_copy(number: u32, salt: u64, previous: u64, durable: u64, bit in 0..384_usize) {
        let header = FileHeader {
            number: FileNumber(number), salt, previous_end: Position(previous), durable: Position(durable),
        };
        let page = header.page();
        prop_assert_eq!(page.len(), CONTENT_START as usize);
        prop_assert_eq!(HeaderPage::decode(&page), HeaderPage::Valid(header));
        for copy in [0, 2048] {
            let mut damaged = page;
            damaged[copy + bit / 8] ^= 1_u8 << (bit % 8);
            prop_assert_eq!(HeaderPage::decode(&damaged), HeaderPage::Valid(header));
        }
    }
}

#[test]
fn a_page_with_two_numbers_holds_the_later_one() {
    let header =
        |number| FileHeader { number: FileNumber(number), salt: 1, previous_end: Position(2), durable: Position(3) };
    for (first, second) in [(4, 9), (9, 4)] {
        let mut page = header(first).page();
        page[2048..].copy_from_slice(&header(second).page()[2048..]);
        assert_eq!(HeaderPage::decode(&page), HeaderPage::Valid(header(9)));
    }
}

#[test]
fn zeros_and_the_beginning_of_a_copy_are_blank_and_other_bytes_are_damage() {
    assert_eq!(HeaderPage::decode(&[]), HeaderPage::Blank);
    assert_eq!(HeaderPage::decode(&[0; 4096]), HeaderPage::Blank);
    assert_eq!(HeaderPage::decode(&[7; 4096]), HeaderPage::Damaged);
    assert_eq!(HeaderPage::decode(&[7; 100]), HeaderPage::Blank, "one copy was begun");
}

#[test]
fn a_number_that_says_more_than_64_bits_is_malformed() {
    let mut bytes: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
    assert_eq!(varint::read(&mut bytes), None);
    let mut bytes: &[u8] = &[0x80; 11];
    assert_eq!(varint::read(&mut bytes), None);
}
