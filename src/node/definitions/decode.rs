//! Rows to definitions, as `encode` writes them.

use std::sync::Arc;

use leveret_protocol::{FieldTable, ShortString};
use nom::bytes::complete::{tag, take};
use nom::combinator::{all_consuming, cond, map_opt, map_res};
use nom::error::{Error, ErrorKind};
use nom::multi::length_data;
use nom::number::complete::{le_i64, le_u16, le_u64, u8};
use nom::{Err, IResult, Parser};
use thiserror::Error as ThisError;

use super::encode::{
    AUTO_DELETE, BINDING, DELAYS, DIGEST, EXCHANGE, INTERNAL, KEEPS_KEYS, OPERATOR, POLICY, QUEUE, QUEUE_IDS, USER,
    VERSION, VHOST,
};
use crate::broker::exchange::ExchangeType;
use crate::broker::ids::QueueId;
use crate::broker::policy::{ApplyTo, Pattern, Policy, PolicyKind};
use crate::broker::queue::QueueEntry;
use crate::broker::resource::ResourceKind;
use crate::broker::vhost::{Definition, ExchangeDefinition, Link};

/// What a row says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Row {
    /// All queue ids below this one may be in use.
    QueueIds(u64),
    /// There is a vhost.
    Vhost(ShortString),
    /// Something durable of a vhost.
    Definition(ShortString, Definition),
}

/// Why a row says nothing to us.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum RowError {
    /// Its value is of another form.
    #[error(
        "{row} is stored in version {found} of its form, and this version of the server reads version {VERSION}: \
         start the version that wrote it, or a newer one"
    )]
    Version {
        /// What it is about.
        row: String,
        /// The form's version.
        found: u8,
    },
    /// It is not one that any version writes.
    #[error("{row} is stored in a form that no version writes: the file is damaged")]
    Damaged {
        /// What it is about, or its key.
        row: String,
    },
}

/// Reads a row.
pub(super) fn row(key: &[u8], value: &[u8]) -> Result<Row, RowError> {
    let damaged = |row: String| RowError::Damaged { row };
    let subject = whole(subject, key).ok_or_else(|| damaged(format!("the row {key:02x?}")))?;
    let (version, value) = value.split_first().ok_or_else(|| damaged(subject.text()))?;
    if *version != VERSION {
        return Err(RowError::Version { row: subject.text(), found: *version });
    }
    let text = subject.text();
    subject.read(value).ok_or_else(|| damaged(text))
}

type Octets<'a> = &'a [u8];

/// What a row is about, as its key tells.
#[derive(Clone, Debug)]
enum Subject {
    QueueIds,
    Vhost(ShortString),
    Exchange { vhost: ShortString, name: ShortString },
    Queue { vhost: ShortString, name: ShortString },
    Binding { vhost: ShortString, source: ShortString, destination_kind: ResourceKind, destination: ShortString },
    Policy { vhost: ShortString, kind: PolicyKind, name: ShortString },
}

impl Subject {
    fn text(&self) -> String {
        match self {
            Self::QueueIds => "the counter of queues".to_owned(),
            Self::Vhost(name) => format!("the vhost '{name}'"),
            Self::Exchange { vhost, name } => format!("the exchange '{name}' in vhost '{vhost}'"),
            Self::Queue { vhost, name } => format!("the queue '{name}' in vhost '{vhost}'"),
            Self::Binding { vhost, source, destination, .. } => {
                format!("the binding from '{source}' to '{destination}' in vhost '{vhost}'")
            }
            Self::Policy { vhost, kind: PolicyKind::User, name } => format!("the policy '{name}' in vhost '{vhost}'"),
            Self::Policy { vhost, kind: PolicyKind::Operator, name } => {
                format!("the operator policy '{name}' in vhost '{vhost}'")
            }
        }
    }

    fn read(self, value: Octets<'_>) -> Option<Row> {
        let (vhost, definition) = match self {
            Self::QueueIds => return whole(le_u64, value).map(Row::QueueIds),
            Self::Vhost(name) => return value.is_empty().then_some(Row::Vhost(name)),
            Self::Exchange { vhost, name } => (vhost, Definition::Exchange(whole(exchange(name), value)?)),
            Self::Queue { vhost, name } => (vhost, Definition::Queue(Arc::new(whole(queue(name), value)?))),
            Self::Binding { vhost, source, destination_kind, destination } => {
                let (binding_key, arguments) = whole((short_string, table), value)?;
                let link = Link { source, destination_kind, destination, binding_key, arguments };
                (vhost, Definition::Binding(link))
            }
            Self::Policy { vhost, kind, name } => {
                (vhost, Definition::Policy(kind, Arc::new(whole(policy(name), value)?)))
            }
        };
        Some(Row::Definition(vhost, definition))
    }
}

fn subject(key: Octets<'_>) -> IResult<Octets<'_>, Subject> {
    let (rest, kind) = u8(key)?;
    match kind {
        QUEUE_IDS => Ok((rest, Subject::QueueIds)),
        VHOST => short_string.map(Subject::Vhost).parse(rest),
        EXCHANGE => (short_string, short_string).map(|(vhost, name)| Subject::Exchange { vhost, name }).parse(rest),
        QUEUE => (short_string, short_string).map(|(vhost, name)| Subject::Queue { vhost, name }).parse(rest),
        BINDING => binding(rest),
        POLICY => (short_string, policy_kind, short_string)
            .map(|(vhost, kind, name)| Subject::Policy { vhost, kind, name })
            .parse(rest),
        _ => Err(Err::Error(Error::new(key, ErrorKind::Tag))),
    }
}

fn binding(input: Octets<'_>) -> IResult<Octets<'_>, Subject> {
    let fields = (short_string, short_string, destination_kind, short_string, take(DIGEST));
    let subject = |(vhost, source, destination_kind, destination, _digest)| Subject::Binding {
        vhost,
        source,
        destination_kind,
        destination,
    };
    fields.map(subject).parse(input)
}

fn destination_kind(input: Octets<'_>) -> IResult<Octets<'_>, ResourceKind> {
    let exchange = tag([EXCHANGE].as_slice()).map(|_| ResourceKind::Exchange);
    let queue = tag([QUEUE].as_slice()).map(|_| ResourceKind::Queue);
    nom::branch::alt((exchange, queue)).parse(input)
}

fn exchange(name: ShortString) -> impl FnMut(Octets<'_>) -> IResult<Octets<'_>, ExchangeDefinition> {
    move |input| {
        let (rest, flags) = u8(input)?;
        let (rest, delay_queue) = cond(flags & DELAYS != 0, le_u64.map(QueueId)).parse(rest)?;
        let (rest, key_queue) = cond(flags & KEEPS_KEYS != 0, le_u64.map(QueueId)).parse(rest)?;
        let (rest, (kind, arguments)) = (exchange_type, table).parse(rest)?;
        let (auto_delete, internal) = (flags & AUTO_DELETE != 0, flags & INTERNAL != 0);
        let name = name.clone();
        Ok((rest, ExchangeDefinition { name, kind, auto_delete, internal, arguments, delay_queue, key_queue }))
    }
}

fn queue(name: ShortString) -> impl FnMut(Octets<'_>) -> IResult<Octets<'_>, QueueEntry> {
    move |input| {
        let (rest, (flags, id, arguments)) = (u8, le_u64, table).parse(input)?;
        let (id, auto_delete) = (QueueId(id), flags & AUTO_DELETE != 0);
        Ok((rest, QueueEntry { id, name: name.clone(), durable: true, auto_delete, owner: None, arguments }))
    }
}

fn policy_kind(input: Octets<'_>) -> IResult<Octets<'_>, PolicyKind> {
    let user = tag([USER].as_slice()).map(|_| PolicyKind::User);
    let operator = tag([OPERATOR].as_slice()).map(|_| PolicyKind::Operator);
    nom::branch::alt((user, operator)).parse(input)
}

fn policy(name: ShortString) -> impl FnMut(Octets<'_>) -> IResult<Octets<'_>, Policy> {
    move |input| {
        let apply_to = map_opt(length_data(u8), ApplyTo::by_name);
        let pattern = map_opt(length_data(le_u16), pattern);
        let (rest, (priority, apply_to, pattern, definition)) = (le_i64, apply_to, pattern, table).parse(input)?;
        Ok((rest, Policy { name: name.clone(), pattern, apply_to, priority, definition }))
    }
}

fn pattern(octets: Octets<'_>) -> Option<Pattern> {
    Pattern::parse(std::str::from_utf8(octets).ok()?).ok()
}

fn exchange_type(input: Octets<'_>) -> IResult<Octets<'_>, ExchangeType> {
    map_opt(length_data(u8), ExchangeType::by_name).parse(input)
}

fn short_string(input: Octets<'_>) -> IResult<Octets<'_>, ShortString> {
    map_res(length_data(u8), |octets: Octets<'_>| ShortString::new(octets)).parse(input)
}

fn table(input: Octets<'_>) -> IResult<Octets<'_>, FieldTable> {
    let (table, rest) = FieldTable::decode(input).map_err(|_| Err::Error(Error::new(input, ErrorKind::Verify)))?;
    Ok((rest, table))
}

fn whole<'a, T>(
    parser: impl Parser<Octets<'a>, Output = T, Error = Error<Octets<'a>>>,
    input: Octets<'a>,
) -> Option<T> {
    all_consuming(parser).parse(input).ok().map(|(_, found)| found)
}
