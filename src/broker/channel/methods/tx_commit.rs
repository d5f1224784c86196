//! tx.commit (AMQP 0-9-1 1.9.2.3): publishes and settlings since the last commit take effect.

use leveret_protocol::tx;

use super::super::{Channel, Context, Mode, Step};
use crate::broker::connection::Effect;
use crate::broker::error::{BrokerError, ChannelError};

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    let Mode::Transaction { settled } = &mut channel.mode else {
        return Err(ChannelError::NotTransactional.into());
    };
    let settled = std::mem::take(settled);
    effects.push(Effect::Commit(context.number));
    for (_, unsettled, outcome) in &settled {
        effects.push(unsettled.settled(*outcome));
    }
    channel.forget_settled(settled.iter().map(|(tag, ..)| *tag));
    effects.push(Effect::Send { channel: context.number, method: tx::CommitOk {}.into() });
    Ok(Step::Done)
}
