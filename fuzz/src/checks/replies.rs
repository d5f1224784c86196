//! Which replies a channel owes its client, in the order of the requests.

use std::collections::{BTreeMap, VecDeque};

use leveret_protocol::{FrameKind, Method, Split, access, basic, channel, confirm, exchange, frame, queue, tx};

const GET_OK: (u16, u16) = (60, 71);
const GET_EMPTY: (u16, u16) = (60, 72);
const CLOSE_OK: (u16, u16) = (20, 41);

/// What one channel owes.
#[derive(Debug, Default)]
pub(super) struct Replies {
    owed: VecDeque<(u16, u16)>,
    /// The broker has sent channel.close and waits for close-ok.
    closing: bool,
    /// It cannot be told from outside any more which frames were discarded.
    lost: bool,
}

/// Notes what the frames want.
pub(super) fn expect(channels: &mut BTreeMap<u16, Replies>, mut octets: &[u8]) {
    while let Ok(Split::Frame { frame, consumed }) = frame::split(octets, 0) {
        octets = &octets[consumed..];
        if frame.kind == FrameKind::Method
            && frame.channel > 0
            && let Ok(method) = Method::decode(frame.payload)
        {
            channels.entry(frame.channel).or_default().called(&method);
        }
    }
}

impl Replies {
    pub(super) const fn known(&self) -> bool {
        !self.lost
    }

    pub(super) fn lose_track(&mut self) {
        self.lost = true;
        self.owed.clear();
    }

    fn called(&mut self, method: &Method) {
        let agreed = matches!(method, Method::Channel(channel::Method::CloseOk(_)));
        match (self.closing, agreed) {
            (true, true) => self.closing = false,
            // Perhaps the answer to a close that comes from the frame just before it.
            (false, true) => self.lose_track(),
            (closing, false) => {
                let reply = reply(method).filter(|reply| !self.lost && (!closing || *reply == CLOSE_OK));
                self.owed.extend(reply);
            }
        }
    }

    pub(super) fn sent(&mut self, method: &Method) {
        if self.lost {
            return;
        }
        match method {
            Method::Channel(channel::Method::Close(_)) => {
                assert!(!self.closing, "a second channel.close");
                self.closing = true;
                self.owed.retain(|reply| *reply == CLOSE_OK);
            }
            Method::Channel(channel::Method::Flow(_)) | Method::Basic(basic::Method::Cancel(_)) => {}
            other => self.paid((other.class_id(), other.method_id())),
        }
    }

    pub(super) fn got(&mut self) {
        if !self.lost {
            self.paid(GET_OK);
        }
    }

    fn paid(&mut self, reply: (u16, u16)) {
        let reply = if reply == GET_OK { GET_EMPTY } else { reply };
        assert_eq!(self.owed.pop_front(), Some(reply), "the reply that is owed first, and the one that was sent");
    }

    pub(super) fn at_rest(&self, channel: u16) {
        assert!(self.owed.is_empty(), "channel {channel} owes {:?}", self.owed);
    }
}

fn reply(method: &Method) -> Option<(u16, u16)> {
    let (nowait, offset) = match method {
        Method::Channel(channel::Method::Open(_) | channel::Method::Flow(_) | channel::Method::Close(_))
        | Method::Access(access::Method::Request(_))
        | Method::Queue(queue::Method::Unbind(_))
        | Method::Tx(tx::Method::Select(_) | tx::Method::Commit(_) | tx::Method::Rollback(_))
        | Method::Basic(basic::Method::Qos(_) | basic::Method::Recover(_)) => (false, 1),
        Method::Basic(basic::Method::Get(_)) => (false, 2),
        Method::Exchange(exchange::Method::Unbind(method)) => (method.nowait, 11),
        Method::Exchange(exchange::Method::Declare(method)) => (method.nowait, 1),
        Method::Exchange(exchange::Method::Delete(method)) => (method.nowait, 1),
        Method::Exchange(exchange::Method::Bind(method)) => (method.nowait, 1),
        Method::Queue(queue::Method::Declare(method)) => (method.nowait, 1),
        Method::Queue(queue::Method::Bind(method)) => (method.nowait, 1),
        Method::Queue(queue::Method::Purge(method)) => (method.nowait, 1),
        Method::Queue(queue::Method::Delete(method)) => (method.nowait, 1),
        Method::Basic(basic::Method::Consume(method)) => (method.nowait, 1),
        Method::Basic(basic::Method::Cancel(method)) => (method.nowait, 1),
        Method::Confirm(confirm::Method::Select(method)) => (method.nowait, 1),
        _ => return None,
    };
    (!nowait).then_some((method.class_id(), method.method_id() + offset))
}
