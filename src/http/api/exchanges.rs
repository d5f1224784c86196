//! Exchanges: looked at, declared, deleted.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Answer, declared, empty};
use crate::broker::exchange::Exchange;
use crate::broker::vhost::ExchangeDeclaration;
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::json::{of_name, of_table};
use crate::http::list;
use crate::http::names::{self, Asked, Names};
use crate::node::admin::Access;

pub(in crate::http) async fn list_all(Caller(operator): Caller, asked: Asked) -> Answer {
    list::answer(operator.enter_all().iter().flat_map(all).collect(), &asked)
}

pub(in crate::http) async fn list(caller: Caller, Names([vhost]): Names<1>, asked: Asked) -> Answer {
    list::answer(all(&caller.enter(&vhost)?), &asked)
}

pub(in crate::http) async fn show(caller: Caller, Names([vhost, exchange]): Names<2>, asked: Asked) -> Answer {
    let access = caller.enter(&vhost)?;
    let exchange = access.exchange(&names::exchange(exchange)).ok_or_else(ApiError::not_found)?;
    Ok(list::one(describe(&access, &exchange), &asked))
}

pub(in crate::http) async fn declare(
    caller: Caller,
    Names([vhost, exchange]): Names<2>,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    let kind =
        if fields.get("type").is_some() { fields.name("type")? } else { "direct".try_into().unwrap_or_default() };
    let wanted = ExchangeDeclaration {
        name: names::exchange(exchange),
        kind,
        passive: false,
        durable: fields.flag("durable")?,
        auto_delete: fields.flag("auto_delete")?,
        internal: fields.flag("internal")?,
        arguments: fields.table("arguments")?,
    };
    Ok(declared(caller.enter_to_change(&vhost)?.declare_exchange(wanted)?))
}

pub(in crate::http) async fn remove(caller: Caller, Names([vhost, exchange]): Names<2>, asked: Asked) -> Answer {
    let access = caller.enter(&vhost)?;
    let name = names::exchange(exchange);
    access.exchange(&name).ok_or_else(ApiError::not_found)?;
    access.delete_exchange(&name, asked.is("if-unused"))?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn all(access: &Access) -> Vec<Value> {
    access.exchanges().iter().map(|exchange| describe(access, exchange)).collect()
}

fn describe(access: &Access, exchange: &Exchange) -> Value {
    let mut described = json!({
        "name": of_name(&exchange.name), "vhost": of_name(access.vhost()), "type": exchange.kind.name(),
        "durable": exchange.durable, "auto_delete": exchange.auto_delete, "internal": exchange.internal,
        "arguments": of_table(&exchange.arguments),
    });
    // As in RabbitMQ, an exchange without a policy has no such field.
    if let (Some(policy), Some(fields)) = (access.policy_of_exchange(exchange), described.as_object_mut()) {
        fields.insert("policy".to_owned(), of_name(&policy.name));
    }
    described
}
