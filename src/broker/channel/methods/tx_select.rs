//! tx.select (AMQP 0-9-1 1.9.2.1). Again is no error.

use leveret_protocol::tx;

use super::super::{Channel, Context, Mode, Step};
use crate::broker::connection::Effect;
use crate::broker::error::{BrokerError, ChannelError};

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    match channel.mode {
        Mode::Confirm { .. } => return Err(ChannelError::ConfirmToTx.into()),
        Mode::Plain => channel.mode = Mode::Transaction { settled: Vec::new() },
        Mode::Transaction { .. } => {}
    }
    effects.push(Effect::Send { channel: context.number, method: tx::SelectOk {}.into() });
    Ok(Step::Done)
}
