//! Policies of both kinds: looked at, set, cleared.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use hyper::StatusCode;
use hyper::http::request::Parts;
use leveret_protocol::{FieldTable, FieldValue, ShortString};
use serde_json::{Value, json};

use super::{Answer, declared, empty};
use crate::broker::policy::{Draft, Policy, PolicyKind};
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::json::{of_name, of_table, to_value_or_null};
use crate::http::list;
use crate::http::names::{Asked, Names};
use crate::http::routes::App;
use crate::http::server::Shared;
use crate::node::PolicyError;

/// Which policies the path is about: those of operators have paths of their own, and all else is the same.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Kind(PolicyKind);

impl FromRequestParts<Arc<Shared>> for Kind {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, ApiError> {
        let of_operators = parts.uri.path().starts_with("/api/operator-policies");
        Ok(Self(if of_operators { PolicyKind::Operator } else { PolicyKind::User }))
    }
}

pub(in crate::http) async fn list_all(
    State(shared): App,
    Kind(kind): Kind,
    Caller(operator): Caller,
    asked: Asked,
) -> Answer {
    let mut items = Vec::new();
    for vhost in operator.vhosts() {
        // A vhost that is only to be looked at shows no policies.
        let policies = shared.node.policies(operator.user(), &vhost, kind).unwrap_or_default();
        items.extend(policies.iter().map(|policy| describe(&vhost, policy)));
    }
    list::answer(items, &asked)
}

pub(in crate::http) async fn list(
    State(shared): App,
    Kind(kind): Kind,
    Caller(operator): Caller,
    Names([vhost]): Names<1>,
    asked: Asked,
) -> Answer {
    let policies = shared.node.policies(operator.user(), &vhost, kind)?;
    list::answer(policies.iter().map(|policy| describe(&vhost, policy)).collect(), &asked)
}

pub(in crate::http) async fn show(
    State(shared): App,
    Kind(kind): Kind,
    Caller(operator): Caller,
    Names([vhost, name]): Names<2>,
    asked: Asked,
) -> Answer {
    let policy = shared.node.policy(operator.user(), &vhost, kind, name.as_bytes())?;
    Ok(list::one(describe(&vhost, &policy), &asked))
}

pub(in crate::http) async fn set(
    State(shared): App,
    Kind(kind): Kind,
    Caller(operator): Caller,
    Names([vhost, name]): Names<2>,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    let user = operator.user();
    shared.node.require_policymaker(user, &vhost, kind).map_err(|error| {
        if error == PolicyError::NoVhost { ApiError::missing("vhost_not_found") } else { error.into() }
    })?;
    Ok(declared(shared.node.set_policy(user, &vhost, kind, draft(name, &fields)?)?))
}

pub(in crate::http) async fn clear(
    State(shared): App,
    Kind(kind): Kind,
    Caller(operator): Caller,
    Names([vhost, name]): Names<2>,
) -> Answer {
    shared.node.clear_policy(operator.user(), &vhost, kind, name.as_bytes())?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn draft(name: ShortString, fields: &Fields) -> Result<Draft, ApiError> {
    fields.require(&["pattern", "definition"])?;
    let field = |name| fields.get(name).map(to_value_or_null).transpose();
    Ok(Draft {
        name,
        pattern: field("pattern")?.unwrap_or(FieldValue::Void),
        apply_to: field("apply-to")?,
        priority: field("priority")?,
        definition: field("definition")?.unwrap_or_else(|| FieldValue::Table(FieldTable::new())),
    })
}

fn describe(vhost: &ShortString, policy: &Policy) -> Value {
    json!({
        "vhost": of_name(vhost), "name": of_name(&policy.name), "pattern": policy.pattern.as_str(),
        "apply-to": policy.apply_to.name(), "definition": of_table(&policy.definition), "priority": policy.priority,
    })
}
