//! What waits for the log: publisher confirms and commits whose messages are not on disk yet. Nothing leaves before; what
//! becomes safe together leaves as one basic.ack for each channel.

use std::collections::VecDeque;

use bytes::BytesMut;
use leveret_protocol::{Method, basic};

use crate::store::Position;

/// Publishes of a channel that are safe once the log is durable up to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pending {
    channel: u16,
    first: u64,
    through: u64,
    position: Position,
}

/// The confirms that a connection owes, oldest first. Positions never fall along it.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    pending: VecDeque<Pending>,
}

impl Confirms {
    /// Owes a confirm of the channel's publishes `first` to `through`; writes it at once when nothing has to be waited
    /// for.
    pub(super) fn owe(
        &mut self,
        channel: u16,
        (first, through): (u64, u64),
        position: Position,
        durable: Position,
        out: &mut BytesMut,
    ) {
        if position <= durable {
            // Whatever is owed from before is safe by now, too, and goes first.
            self.release(durable, out);
            return write_ack(channel, first, through, out);
        }
        if let Some(last) = self.pending.back_mut()
            && last.channel == channel
            && last.position == position
        {
            last.through = through;
            return;
        }
        self.pending.push_back(Pending { channel, first, through, position });
    }

    /// Writes every confirm that the log's position covers now.
    pub(super) fn release(&mut self, durable: Position, out: &mut BytesMut) {
        let mut run: Option<Pending> = None;
        while let Some(next) = self.pending.pop_front_if(|pending| pending.position <= durable) {
            match &mut run {
                Some(run) if run.channel == next.channel => run.through = next.through,
                Some(other) => {
                    write_ack(other.channel, other.first, other.through, out);
                    run = Some(next);
                }
                None => run = Some(next),
            }
        }
        if let Some(run) = run {
            write_ack(run.channel, run.first, run.through, out);
        }
    }

    /// The position that everything owed waits for.
    pub(super) fn last_position(&self) -> Option<Position> {
        self.pending.back().map(|pending| pending.position)
    }

    /// Publishes of a channel that are not confirmed.
    pub(super) fn owed_to(&self, channel: u16) -> u64 {
        let owed = self.pending.iter().filter(|pending| pending.channel == channel);
        owed.map(|pending| pending.through - pending.first + 1).sum()
    }

    /// A channel is gone: nobody waits for its confirms.
    pub(super) fn forget(&mut self, channel: u16) {
        self.pending.retain(|pending| pending.channel != channel);
    }
}

/// Tells that a publish was refused.
pub(super) fn write_nack(channel: u16, publish: u64, out: &mut BytesMut) {
    let nack = basic::Nack { delivery_tag: publish, multiple: false, requeue: false };
    Method::from(nack).write_frame(channel, out);
}

fn write_ack(channel: u16, first: u64, through: u64, out: &mut BytesMut) {
    let ack = basic::Ack { delivery_tag: through, multiple: through > first };
    Method::from(ack).write_frame(channel, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(expected: &[(u16, u64, bool)]) -> BytesMut {
        let mut out = BytesMut::new();
        for &(channel, delivery_tag, multiple) in expected {
            Method::from(basic::Ack { delivery_tag, multiple }).write_frame(channel, &mut out);
        }
        out
    }

    #[test]
    fn a_publish_that_nothing_is_waited_for_is_confirmed_at_once() {
        let mut out = BytesMut::new();
        Confirms::default().owe(1, (1, 3), Position(8), Position(8), &mut out);
        assert_eq!(out, acks(&[(1, 3, true)]));
    }

    #[test]
    fn nothing_is_confirmed_before_its_position_is_durable() {
        let (mut confirms, mut out) = (Confirms::default(), BytesMut::new());
        confirms.owe(1, (1, 1), Position(10), Position(0), &mut out);
        confirms.owe(1, (2, 4), Position(20), Position(0), &mut out);
        confirms.release(Position(9), &mut out);
        assert_eq!(out, acks(&[]));
        confirms.release(Position(10), &mut out);
        assert_eq!(out, acks(&[(1, 1, false)]));
        out.clear();
        confirms.release(Position(20), &mut out);
        assert_eq!(out, acks(&[(1, 4, true)]));
        assert_eq!(confirms.last_position(), None);
    }

    #[test]
    fn what_is_safe_together_is_confirmed_together() {
        let (mut confirms, mut out) = (Confirms::default(), BytesMut::new());
        confirms.owe(1, (1, 2), Position(10), Position(0), &mut out);
        confirms.owe(1, (3, 3), Position(20), Position(0), &mut out);
        confirms.owe(2, (1, 1), Position(30), Position(0), &mut out);
        confirms.release(Position(30), &mut out);
        assert_eq!(out, acks(&[(1, 3, true), (2, 1, false)]));
    }

    #[test]
    fn what_is_owed_from_before_goes_first() {
        let (mut confirms, mut out) = (Confirms::default(), BytesMut::new());
        confirms.owe(1, (1, 2), Position(10), Position(5), &mut out);
        confirms.owe(1, (3, 3), Position(10), Position(10), &mut out);
        assert_eq!(out, acks(&[(1, 2, true), (1, 3, false)]));
    }

    #[test]
    fn a_closed_channel_is_owed_nothing() {
        let (mut confirms, mut out) = (Confirms::default(), BytesMut::new());
        confirms.owe(1, (1, 1), Position(10), Position(0), &mut out);
        confirms.owe(2, (1, 1), Position(10), Position(0), &mut out);
        confirms.forget(1);
        confirms.release(Position(10), &mut out);
        assert_eq!(out, acks(&[(2, 1, false)]));
    }
}
