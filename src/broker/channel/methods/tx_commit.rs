//! tx.commit (AMQP 0-9-1 1.9.2.3): publishes and settlings since the last commit take effect, all or none. commit-ok
//! comes once that is safe; nothing more is read from the client until then.

use super::super::{Channel, Context, Mode, Step};
use crate::broker::connection::{Effect, Request};
use crate::broker::error::{BrokerError, ChannelError};

const IDS: (u16, u16) = (90, 20);

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    let Mode::Transaction { settled } = &mut channel.mode else {
        return Err(ChannelError::NotTransactional.into());
    };
    let settled = std::mem::take(settled);
    channel.forget_settled(settled.iter().map(|(tag, ..)| *tag));
    let settlements = settled.into_iter().map(|(_, unsettled, outcome)| unsettled.settlement(outcome)).collect();
    Ok(channel.ask(context, IDS, false, Request::Commit(settlements), effects))
}
