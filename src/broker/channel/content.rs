//! Messages coming in: basic.publish, its content header and its body, whole in one buffer or frame by frame.

use bytes::BytesMut;
use leveret_protocol::fast::WholePublish;
use leveret_protocol::{FrameKind, HeaderView, RawFrame};

use super::{Channel, Context, Mode, Step, reply_to};
use crate::broker::connection::Effect;
use crate::broker::error::{BrokerError, ChannelError, ConnectionError};
use crate::broker::message::{ARRIVED, Message, MessageArena, Traits};
use crate::broker::time::Timestamp;

const BASIC: u16 = 60;
const PERSISTENT: u8 = 2;

/// RabbitMQ's bound on a body, whatever is configured.
const HARD_BODY_LIMIT: u64 = 536_870_912;

/// What is reserved for a body on the announcement alone; the rest as it comes. Little: a client may announce a body on
/// each of thousands of channels.
const RESERVED_UNSEEN: usize = 4 * 1024;

/// Bytes of a body that no connection is kept from sending, whatever else it sends.
const SMALL: u64 = RESERVED_UNSEEN as u64;

/// How many times as large the room for a body gets when it is used up.
const GROWTH: usize = 16;

/// A message that is not complete.
#[derive(Debug)]
pub(super) struct Assembly {
    bytes: BytesMut,
    names_length: usize,
    header_length: Option<usize>,
    remaining: u64,
    size: u64,
    traits: Traits,
    purpose: Purpose,
}

/// What becomes of a message when it is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Publish {
        mandatory: bool,
    },
    /// It came with a method of the broker's, which is refused then.
    Misdirected {
        ids: (u16, u16),
    },
}

impl Channel {
    /// Whether a message has begun whose content is not complete.
    pub(in crate::broker) const fn awaits_content(&self) -> bool {
        self.assembly.is_some()
    }

    /// Bytes of memory that a message takes which is not complete.
    pub(in crate::broker) fn assembling(&self) -> usize {
        self.assembly.as_ref().map_or(0, |assembly| assembly.bytes.len())
    }

    /// Whether there is a message of which only the body is not complete.
    pub(in crate::broker) fn assembles_body(&self) -> bool {
        self.assembly.as_ref().is_some_and(|assembly| assembly.header_length.is_some())
    }

    /// Whether a message that is not complete has a body that is not small.
    pub(in crate::broker) fn assembles_large(&self) -> bool {
        self.assembly.as_ref().is_some_and(|assembly| assembly.size > SMALL)
    }

    /// A whole publish at once. `false`: it is not plain enough, take it frame by frame.
    pub(in crate::broker) fn publish_at_once(
        &mut self,
        context: &Context<'_>,
        whole: &WholePublish<'_>,
        arena: &mut MessageArena,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, BrokerError> {
        let WholePublish { publish, header, body, .. } = *whole;
        if self.closing || self.assembly.is_some() {
            return Ok(false);
        }
        let Ok(view) = HeaderView::parse(header) else { return Ok(false) };
        let too_large = view.body_size() > context.settings.max_message_size;
        if publish.immediate || view.class_id() != BASIC || view.weight() != 0 || too_large {
            return Ok(false);
        }
        let Some(message) = arena.store(publish.names, header, body, traits(&view), context.now) else {
            return Ok(false);
        };
        self.published(context, message, publish.mandatory, effects);
        Ok(true)
    }

    /// basic.publish: content frames follow.
    pub(super) fn begin_content(&mut self, names: &[u8], mandatory: bool) {
        self.assembly = Some(Box::new(Assembly::new(names, Purpose::Publish { mandatory })));
    }

    /// A method that only the broker sends: content frames follow before it is refused, as in RabbitMQ.
    pub(super) fn begin_misdirected(&mut self, ids: (u16, u16)) -> Step {
        self.assembly = Some(Box::new(Assembly::new(&[], Purpose::Misdirected { ids })));
        Step::Done
    }

    pub(super) fn receive_content(
        &mut self,
        context: &Context<'_>,
        frame: RawFrame<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), BrokerError> {
        let Some(mut assembly) = self.assembly.take() else { return Ok(()) };
        let limit = assembly.limit(context);
        match (assembly.header_length, frame.kind) {
            (None, FrameKind::Header) => assembly.begin_body(frame.payload, limit)?,
            (None, _) => return Err(no_header().into()),
            (Some(_), FrameKind::Body) => assembly.add_body(frame.payload, limit)?,
            (Some(_), _) => {
                let text = "expected content body, got non content body frame instead".to_owned();
                return Err(ConnectionError::UnexpectedFrame(text).into());
            }
        }
        if assembly.remaining > 0 {
            self.assembly = Some(assembly);
            return Ok(());
        }
        let Purpose::Publish { mandatory } = assembly.purpose else {
            return Err(ConnectionError::UnimplementedMethod.into());
        };
        if assembly.size > limit {
            return Err(ChannelError::MessageTooLarge { size: assembly.size, limit }.into());
        }
        if let Some(message) = assembly.finish(context.now) {
            self.published(context, message, mandatory, effects);
        }
        Ok(())
    }

    fn published(&mut self, context: &Context<'_>, message: Message, mandatory: bool, effects: &mut Vec<Effect>) {
        let channel = context.number;
        let in_transaction = matches!(self.mode, Mode::Transaction { .. });
        effects.push(Effect::Publish { channel, message, mandatory, in_transaction });
        if let Mode::Confirm { published } = &mut self.mode {
            *published += 1;
            let through = *published;
            // A confirm that this one covers moves behind this publish instead of going out by itself.
            if let [.., earlier, publish] = effects.as_mut_slice()
                && let Effect::Confirm { channel: other, first, .. } = *earlier
                && other == channel
            {
                *earlier = Effect::Confirm { channel, first, through };
                std::mem::swap(earlier, publish);
                return;
            }
            effects.push(Effect::Confirm { channel, first: through, through });
        }
    }
}

impl Assembly {
    fn new(names: &[u8], purpose: Purpose) -> Self {
        Self {
            bytes: BytesMut::from(names),
            names_length: names.len(),
            header_length: None,
            remaining: 0,
            size: 0,
            traits: Traits::default(),
            purpose,
        }
    }

    /// The method that the content belongs to.
    pub(super) const fn ids(&self) -> (u16, u16) {
        match self.purpose {
            Purpose::Publish { .. } => (60, 40),
            Purpose::Misdirected { ids } => ids,
        }
    }

    /// Bytes of a body that are kept.
    const fn limit(&self, context: &Context<'_>) -> u64 {
        match self.purpose {
            Purpose::Publish { .. } => context.settings.max_message_size,
            Purpose::Misdirected { .. } => 0,
        }
    }

    fn begin_body(&mut self, header: &[u8], limit: u64) -> Result<(), BrokerError> {
        let view = HeaderView::parse(header).map_err(|error| ConnectionError::Syntax(error.to_string()))?;
        if view.weight() != 0 {
            return Err(no_header().into());
        }
        if view.class_id() != BASIC {
            let text = format!("expected content header for class 60, got one for class {} instead", view.class_id());
            return Err(ConnectionError::UnexpectedFrame(text).into());
        }
        self.size = view.body_size();
        if self.size > HARD_BODY_LIMIT {
            let text = format!("content body size {} exceeds maximum allowed size {HARD_BODY_LIMIT}", self.size);
            return Err(ConnectionError::Frame(text).into());
        }
        self.traits = traits(&view);
        self.remaining = self.size;
        self.header_length = Some(header.len());
        let expected = if self.size > limit { 0 } else { usize::try_from(self.size).unwrap_or(usize::MAX) };
        self.bytes.reserve(header.len() + expected.min(RESERVED_UNSEEN) + ARRIVED);
        self.bytes.extend_from_slice(header);
        Ok(())
    }

    /// A body beyond the limit is counted, not kept: it is refused when it is complete.
    fn add_body(&mut self, body: &[u8], limit: u64) -> Result<(), BrokerError> {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        self.remaining = self
            .remaining
            .checked_sub(length)
            .ok_or_else(|| ConnectionError::Frame("content body frame exceeds remaining content size".to_owned()))?;
        if self.size <= limit {
            self.make_room(body.len());
            self.bytes.extend_from_slice(body);
        }
        Ok(())
    }

    /// Grows in large steps, but to no more than the whole message: it keeps its room for as long as it lives. What has not
    /// come takes no memory; its smaller selves do, for as long as the allocator keeps them.
    fn make_room(&mut self, body_length: usize) {
        // With room for the arrival: to make it at the end would double the whole.
        let needed = self.bytes.len().saturating_add(body_length).saturating_add(ARRIVED);
        if needed <= self.bytes.capacity() {
            return;
        }
        let whole = needed.saturating_add(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        let mut grown = BytesMut::with_capacity(whole.min(needed.max(GROWTH * self.bytes.capacity())));
        grown.extend_from_slice(&self.bytes);
        self.bytes = grown;
    }

    fn finish(self, now: Timestamp) -> Option<Message> {
        Message::from_parts(self.bytes, self.names_length, self.header_length?, self.traits, now)
    }
}

fn no_header() -> ConnectionError {
    ConnectionError::UnexpectedFrame(
        "expected content header for class 60, got non content header frame instead".to_owned(),
    )
}

pub(super) fn traits(view: &HeaderView<'_>) -> Traits {
    let mut traits = Traits::default();
    if view.delivery_mode() == Some(PERSISTENT) {
        traits = traits.with(Traits::PERSISTENT);
    }
    if view.headers().is_some() {
        traits = traits.with(Traits::HEADERS);
    }
    let reply_to = view.reply_to().is_some_and(|name| name == reply_to::REPLY_TO.as_bytes());
    if reply_to || view.expiration().is_some() || view.user_id().is_some() {
        traits = traits.with(Traits::CHECKED);
    }
    if view.expiration().is_some() {
        traits = traits.with(Traits::EXPIRES);
    }
    if view.priority().is_some() {
        traits = traits.with(Traits::PRIORITY);
    }
    traits
}
