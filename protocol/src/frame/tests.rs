//! Splitting of frames; the texts were read off RabbitMQ 4.3.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

fn frame(kind: u8, channel: u16, payload: &[u8], end: u8) -> Vec<u8> {
    let mut octets = vec![kind];
    octets.extend(channel.to_be_bytes());
    octets.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    octets.extend(payload);
    octets.push(end);
    octets
}

fn text(octets: &[u8]) -> String {
    split(octets, 131_072).unwrap_err().to_string()
}

proptest! {
    #[test]
    fn splits_off_exactly_one_frame(channel: u16, payload: Vec<u8>, after: Vec<u8>) {
        let whole = frame(3, channel, &payload, FRAME_END);
        let consumed = whole.len();
        let octets = [whole, after].concat();
        let frame = RawFrame { kind: FrameKind::Body, channel, payload: &payload };
        prop_assert_eq!(split(&octets, 0), Ok(Split::Frame { frame, consumed }));
    }

    #[test]
    fn asks_for_the_head_and_then_for_the_whole_frame(payload: Vec<u8>, at: prop::sample::Index) {
        let octets = frame(3, 1, &payload, FRAME_END);
        let at = at.index(octets.len());
        let needed = if at < FRAME_HEAD { FRAME_HEAD } else { octets.len() };
        prop_assert_eq!(split(&octets[..at], 0), Ok(Split::Incomplete { needed }));
    }

    #[test]
    fn any_octets_are_a_frame_or_an_error(octets: Vec<u8>, frame_max in 0..100_u32) {
        if let Ok(Split::Frame { consumed, .. }) = split(&octets, frame_max) {
            prop_assert!(consumed <= octets.len());
        }
    }

    #[test]
    fn written_frames_are_split_again(channel: u16, payload: Vec<u8>) {
        let mut out = BytesMut::new();
        write_frame(&mut out, FrameKind::Body, channel, |out| out.extend_from_slice(&payload));
        prop_assert_eq!(&out[..], &frame(3, channel, &payload, FRAME_END)[..]);
        let mut head = BytesMut::new();
        write_frame_head(&mut head, FrameKind::Body, channel, u32::try_from(payload.len()).unwrap());
        prop_assert_eq!(&out[..FRAME_HEAD], &head[..]);
    }
}

#[test]
fn tolerates_eight_octets_over_the_limit_and_no_more() {
    assert!(split(&frame(3, 1, &[0; 4096], FRAME_END), 4096).is_ok());
    let head = [3, 0, 1, 0, 0, 0x10, 1];
    assert_eq!(split(&head, 4096), Err(FrameError::TooLarge { kind: 3, size: 4097, limit: 4088 }));
    assert_eq!(split(&head, 0), Ok(Split::Incomplete { needed: 4105 }));
}

#[test]
fn a_frame_that_is_too_large_is_refused_by_its_head() {
    assert_eq!(text(&[9, 0, 1, 0, 3, 0x0d, 0x40]), "type 9, all octets = <<>>: {frame_too_large,200000,131064}");
}

#[test]
fn unknown_kinds_are_told_in_the_words_of_rabbitmq() {
    assert_eq!(text(&frame(5, 1, &[1, 2, 3], FRAME_END)), "type 5, all octets = <<1,2,3>>: unknown_frame");
    assert_eq!(
        text(&frame(255, 1, &[0xfe; 17], FRAME_END)),
        format!("type 255, first 16 octets = <<\"{}\">>: unknown_frame", "þ".repeat(16))
    );
    assert_eq!(
        text(&frame(5, 1, &[128; 16], FRAME_END)),
        format!("type 5, all octets = <<{}\n{}128,128>>: unknown_frame", "128,".repeat(14), " ".repeat(23))
    );
}

#[test]
fn payloads_that_do_not_fit_their_kind_are_unknown_frames() {
    assert_eq!(text(&frame(1, 1, &[0, 60, 0], FRAME_END)), "type 1, all octets = <<0,60,0>>: unknown_frame");
    assert_eq!(text(&frame(8, 0, b"x", FRAME_END)), "type 8, all octets = <<\"x\">>: unknown_frame");
    assert!(split(&frame(2, 1, &[0; 11], FRAME_END), 0).is_err());
    assert!(split(&frame(2, 1, &[0; 12], FRAME_END), 0).is_ok());
}

#[test]
fn a_wrong_end_is_told_before_an_unknown_kind() {
    assert_eq!(text(&frame(5, 1, &[1, 2, 3], 1)), "type 5, all octets = <<1,2,3>>: {invalid_frame_end_marker,1}");
    assert_eq!(
        text(&frame(1, 1, &[0xc8; 40], 205)),
        format!(
            "type 1, first 16 octets = <<\"{}\">>: {{invalid_frame_end_marker,\n{}205}}",
            "È".repeat(16),
            " ".repeat(51)
        )
    );
    assert_eq!(
        text(&frame(1, 1, &[128; 17], 7)),
        format!(
            "type 1, first 16 octets = <<{}\n{}128,128,128,128>>: {{invalid_frame_end_marker,7}}",
            "128,".repeat(12),
            " ".repeat(28)
        )
    );
    assert_eq!(
        text(&frame(1, 1, &[1; 12], 20)),
        format!("type 1, all octets = <<{}1>>: {{invalid_frame_end_marker,\n{}20}}", "1,".repeat(11), " ".repeat(51))
    );
}

#[test]
fn a_frame_on_the_wrong_channel_is_described() {
    let heartbeat = RawFrame { kind: FrameKind::Heartbeat, channel: 1, payload: &[] };
    assert_eq!(heartbeat.describe(), "type 8, all octets = <<>>");
    let body = RawFrame { kind: FrameKind::Body, channel: 0, payload: &[0xfa; 40] };
    assert_eq!(body.describe(), format!("type 3, first 16 octets = <<\"{}\">>", "ú".repeat(16)));
}

#[test]
fn the_heartbeat_is_a_frame() {
    let frame = RawFrame { kind: FrameKind::Heartbeat, channel: 0, payload: &[] };
    assert_eq!(split(&HEARTBEAT, 4096), Ok(Split::Frame { frame, consumed: 8 }));
}
