//! What each method does on a channel: one file each. This one only tells them apart.

mod basic_ack;
mod basic_cancel;
mod basic_consume;
mod basic_get;
mod basic_nack;
mod basic_publish;
mod basic_qos;
mod basic_recover;
mod basic_reject;
mod channel_flow;
mod confirm_select;
mod exchange_bind;
mod exchange_declare;
mod exchange_delete;
mod exchange_unbind;
mod queue_bind;
mod queue_declare;
mod queue_delete;
mod queue_purge;
mod queue_unbind;
mod tx_commit;
mod tx_rollback;
mod tx_select;

use leveret_protocol::{Method, access, basic, channel, confirm, exchange, queue, tx};

use super::{Channel, Context, Step};
use crate::broker::connection::Effect;
use crate::broker::error::{BrokerError, ConnectionError};

type Outcome = Result<Step, BrokerError>;

impl Channel {
    /// Handles a method that comes without content frames in hand.
    pub(super) fn call(&mut self, context: &Context<'_>, method: Method, effects: &mut Vec<Effect>) -> Outcome {
        match method {
            Method::Channel(method) => self.call_channel(context, &method, effects),
            Method::Access(access::Method::Request(_)) => {
                effects.push(Effect::Send { channel: context.number, method: access::RequestOk { ticket: 1 }.into() });
                Ok(Step::Done)
            }
            Method::Exchange(method) => self.call_exchange(context, method, effects),
            Method::Queue(method) => self.call_queue(context, method, effects),
            Method::Basic(method) => self.call_basic(context, method, effects),
            Method::Confirm(confirm::Method::Select(method)) => confirm_select::handle(self, context, &method, effects),
            Method::Tx(tx::Method::Select(_)) => tx_select::handle(self, context, effects),
            Method::Tx(tx::Method::Commit(_)) => tx_commit::handle(self, context, effects),
            Method::Tx(tx::Method::Rollback(_)) => tx_rollback::handle(self, context, effects),
            Method::Connection(_)
            | Method::Access(access::Method::RequestOk(_))
            | Method::Confirm(confirm::Method::SelectOk(_))
            | Method::Tx(tx::Method::SelectOk(_) | tx::Method::CommitOk(_) | tx::Method::RollbackOk(_)) => {
                misdirected()
            }
        }
    }

    fn call_channel(&mut self, context: &Context<'_>, method: &channel::Method, effects: &mut Vec<Effect>) -> Outcome {
        match method {
            channel::Method::Open(_) => Err(ConnectionError::ChannelAlreadyOpen.into()),
            channel::Method::Flow(method) => channel_flow::handle(context, method, effects),
            channel::Method::Close(_) => Ok(Step::Closed),
            channel::Method::FlowOk(_) => channel_flow::answered(self),
            // A channel that the broker closes does not get here.
            channel::Method::CloseOk(_) | channel::Method::OpenOk(_) => misdirected(),
        }
    }

    fn call_exchange(&mut self, context: &Context<'_>, method: exchange::Method, effects: &mut Vec<Effect>) -> Outcome {
        match method {
            exchange::Method::Declare(method) => Ok(exchange_declare::handle(self, context, method, effects)),
            exchange::Method::Delete(method) => Ok(exchange_delete::handle(self, context, method, effects)),
            exchange::Method::Bind(method) => Ok(exchange_bind::handle(self, context, method, effects)),
            exchange::Method::Unbind(method) => Ok(exchange_unbind::handle(self, context, method, effects)),
            exchange::Method::DeclareOk(_)
            | exchange::Method::DeleteOk(_)
            | exchange::Method::BindOk(_)
            | exchange::Method::UnbindOk(_) => misdirected(),
        }
    }

    fn call_queue(&mut self, context: &Context<'_>, method: queue::Method, effects: &mut Vec<Effect>) -> Outcome {
        match method {
            queue::Method::Declare(method) => queue_declare::handle(self, context, method, effects),
            queue::Method::Bind(method) => queue_bind::handle(self, context, method, effects),
            queue::Method::Unbind(method) => queue_unbind::handle(self, context, method, effects),
            queue::Method::Purge(method) => queue_purge::handle(self, context, method, effects),
            queue::Method::Delete(method) => queue_delete::handle(self, context, method, effects),
            queue::Method::DeclareOk(_)
            | queue::Method::BindOk(_)
            | queue::Method::UnbindOk(_)
            | queue::Method::PurgeOk(_)
            | queue::Method::DeleteOk(_) => misdirected(),
        }
    }

    fn call_basic(&mut self, context: &Context<'_>, method: basic::Method, effects: &mut Vec<Effect>) -> Outcome {
        match method {
            basic::Method::Qos(method) => basic_qos::handle(self, context, &method, effects),
            basic::Method::Consume(method) => basic_consume::handle(self, context, method, effects),
            basic::Method::Cancel(method) => Ok(basic_cancel::handle(self, context, method, effects)),
            basic::Method::Publish(method) => basic_publish::handle(self, &method),
            basic::Method::Get(method) => basic_get::handle(self, context, method, effects),
            basic::Method::Ack(method) => basic_ack::handle(self, &method, effects),
            basic::Method::Reject(method) => basic_reject::handle(self, &method, effects),
            basic::Method::Nack(method) => basic_nack::handle(self, &method, effects),
            basic::Method::RecoverAsync(method) => basic_recover::handle(self, context, method.requeue, false, effects),
            basic::Method::Recover(method) => basic_recover::handle(self, context, method.requeue, true, effects),
            // The client agrees to a consumer's end.
            basic::Method::CancelOk(_) => Ok(Step::Done),
            basic::Method::Return(_) => Ok(self.begin_misdirected((60, 50))),
            basic::Method::Deliver(_) => Ok(self.begin_misdirected((60, 60))),
            basic::Method::GetOk(_) => Ok(self.begin_misdirected((60, 71))),
            basic::Method::QosOk(_)
            | basic::Method::ConsumeOk(_)
            | basic::Method::GetEmpty(_)
            | basic::Method::RecoverOk(_) => misdirected(),
        }
    }
}

fn misdirected() -> Outcome {
    Err(ConnectionError::UnimplementedMethod.into())
}

/// The answer to a request that has nothing to tell.
pub(super) fn done(ids: (u16, u16)) -> Option<Method> {
    match ids {
        (40, 10) => Some(exchange::DeclareOk {}.into()),
        (40, 20) => Some(exchange::DeleteOk {}.into()),
        (40, 30) => Some(exchange::BindOk {}.into()),
        (40, 40) => Some(exchange::UnbindOk {}.into()),
        (50, 20) => Some(queue::BindOk {}.into()),
        (50, 50) => Some(queue::UnbindOk {}.into()),
        (90, 20) => Some(tx::CommitOk {}.into()),
        _ => None,
    }
}

/// The answer to a request that removed messages.
pub(super) fn removed(ids: (u16, u16), message_count: u32) -> Option<Method> {
    match ids {
        (50, 30) => Some(queue::PurgeOk { message_count }.into()),
        (50, 40) => Some(queue::DeleteOk { message_count }.into()),
        _ => None,
    }
}
