//! confirm.select (RabbitMQ extension). Again is no error and does not count anew.

use leveret_protocol::confirm;

use super::super::{Channel, Context, Mode, Step};
use crate::broker::connection::Effect;
use crate::broker::error::{BrokerError, ChannelError};

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: &confirm::Select,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    match channel.mode {
        Mode::Transaction { .. } => return Err(ChannelError::TxToConfirm.into()),
        Mode::Plain => channel.mode = Mode::Confirm { published: 0 },
        Mode::Confirm { .. } => {}
    }
    if !method.nowait {
        effects.push(Effect::Send { channel: context.number, method: confirm::SelectOk {}.into() });
    }
    Ok(Step::Done)
}
