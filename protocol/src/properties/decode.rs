//! Octets to properties.

use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16, be_u64};
use nom::{Err, IResult, Parser};

use super::{Properties, PropertiesError, flag};
use crate::{FieldTable, ShortString};

type Parsed<'a, T> = IResult<&'a [u8], T, PropertiesError>;

pub(super) fn properties(input: &[u8]) -> Result<Properties, PropertiesError> {
    let (input, flags) = be_u16::<_, PropertiesError>(input)?;
    let has = |bit: u16| flags & bit != 0;
    let (input, content_type) = when(has(flag::CONTENT_TYPE), short_string, input)?;
    let (input, content_encoding) = when(has(flag::CONTENT_ENCODING), short_string, input)?;
    let (input, headers) = when(has(flag::HEADERS), table, input)?;
    let (input, delivery_mode) = when(has(flag::DELIVERY_MODE), be_u8, input)?;
    let (input, priority) = when(has(flag::PRIORITY), be_u8, input)?;
    let (input, correlation_id) = when(has(flag::CORRELATION_ID), short_string, input)?;
    let (input, reply_to) = when(has(flag::REPLY_TO), short_string, input)?;
    let (input, expiration) = when(has(flag::EXPIRATION), short_string, input)?;
    let (input, message_id) = when(has(flag::MESSAGE_ID), short_string, input)?;
    let (input, timestamp) = when(has(flag::TIMESTAMP), be_u64, input)?;
    let (input, kind) = when(has(flag::KIND), short_string, input)?;
    let (input, user_id) = when(has(flag::USER_ID), short_string, input)?;
    let (input, app_id) = when(has(flag::APP_ID), short_string, input)?;
    let (input, cluster_id) = when(has(flag::CLUSTER_ID), short_string, input)?;
    if !input.is_empty() {
        return Err(PropertiesError::Trailing { count: input.len() });
    }
    Ok(Properties {
        content_type,
        content_encoding,
        headers,
        delivery_mode,
        priority,
        correlation_id,
        reply_to,
        expiration,
        message_id,
        timestamp,
        kind,
        user_id,
        app_id,
        cluster_id,
    })
}

fn when<'a, T>(present: bool, parser: impl Fn(&'a [u8]) -> Parsed<'a, T>, input: &'a [u8]) -> Parsed<'a, Option<T>> {
    if !present {
        return Ok((input, None));
    }
    parser(input).map(|(rest, value)| (rest, Some(value)))
}

fn short_string(input: &[u8]) -> Parsed<'_, ShortString> {
    length_data(be_u8).map(ShortString::from_bounded).parse(input)
}

fn table(input: &[u8]) -> Parsed<'_, FieldTable> {
    let (table, rest) = FieldTable::decode(input).map_err(|error| Err::Failure(error.into()))?;
    Ok((rest, table))
}
