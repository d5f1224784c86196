//! tx.rollback (AMQP 0-9-1 1.9.2.5): publishes since the last commit are dropped, settlings undone.

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
    let entries = std::mem::take(settled).into_iter().map(|(tag, unsettled, _)| (tag, unsettled)).collect();
    channel.unsettled.restore(entries);
    effects.push(Effect::Rollback(context.number));
    effects.push(Effect::Send { channel: context.number, method: tx::RollbackOk {}.into() });
    Ok(Step::Done)
}
