//! A policy as it is asked for, and how it becomes one.

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::apply_to::ApplyTo;
use super::invalid::{Fault, Invalid};
use super::pattern::{MAX_BYTES, Pattern};
use super::{Policy, PolicyKind, keys, merge};

/// What is asked for, of any type: JSON has no others.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The policy's name.
    pub name: ShortString,
    /// A text.
    pub pattern: FieldValue,
    /// A text; `None` means all.
    pub apply_to: Option<FieldValue>,
    /// A whole number; `None` means 0.
    pub priority: Option<FieldValue>,
    /// An object.
    pub definition: FieldValue,
}

impl Draft {
    /// The policy, if it can be one.
    ///
    /// # Errors
    /// All that is wrong with it. Of the definition that is the first thing alone, as in RabbitMQ.
    pub fn into_policy(self, kind: PolicyKind) -> Result<Policy, Invalid> {
        let definition = definition(&self.definition, kind);
        let apply_to = apply_to(self.apply_to.as_ref());
        let pattern = pattern(&self.pattern);
        let priority = priority(self.priority);
        match (definition, apply_to, pattern, priority) {
            (Ok(definition), Ok(apply_to), Ok(pattern), Ok(priority)) => {
                Ok(Policy { name: self.name, pattern, apply_to, priority, definition })
            }
            (definition, apply_to, pattern, priority) => {
                let faults = [definition.err(), apply_to.err(), pattern.err(), priority.err()];
                Err(Invalid(faults.into_iter().flatten().collect()))
            }
        }
    }
}

fn definition(value: &FieldValue, kind: PolicyKind) -> Result<FieldTable, Fault> {
    let table = value.as_table().ok_or_else(|| Fault::DefinitionType(value.clone()))?;
    if table.is_empty() {
        return Err(Fault::NoDefinition);
    }
    let table = merge::sorted(table);
    let mut unknown = FieldTable::new();
    for (name, value) in table.iter() {
        match keys::by_name(name).filter(|key| kind == PolicyKind::User || key.merge.is_some()) {
            Some(key) if (key.check)(value) => {}
            Some(key) => return Err(Fault::Value { value: value.clone(), expected: key.expected }),
            None if *name == keys::DEPRECATED => return Err(Fault::Deprecated(keys::DEPRECATED)),
            None => unknown.push(name.clone(), value.clone()),
        }
    }
    check_retries(&table)?;
    if unknown.is_empty() { Ok(table) } else { Err(Fault::Unknown(unknown)) }
}

fn check_retries(definition: &FieldTable) -> Result<(), Fault> {
    let number = |key| definition.get(key).and_then(FieldValue::as_integer);
    let (min, max) = (number(keys::DELAYED_RETRY_MIN), number(keys::DELAYED_RETRY_MAX));
    if let (Some(min), Some(max)) = (min, max)
        && max < min
    {
        return Err(Fault::RetryDelays { min, max });
    }
    match definition.get(keys::DELAYED_RETRY_TYPE).and_then(FieldValue::as_str) {
        Some(delayed) if delayed != "disabled" && min.is_none() => Err(Fault::NoRetryDelay(delayed.to_owned())),
        Some(_) | None => Ok(()),
    }
}

fn apply_to(value: Option<&FieldValue>) -> Result<ApplyTo, Fault> {
    let Some(value) = value else { return Ok(ApplyTo::All) };
    let name = value.as_bytes();
    name.and_then(ApplyTo::by_name).ok_or_else(|| {
        Fault::ApplyTo(match name {
            Some(name) => String::from_utf8_lossy(name).into_owned(),
            None => super::term::json(value),
        })
    })
}

fn pattern(value: &FieldValue) -> Result<Pattern, Fault> {
    let text = value.as_bytes().ok_or_else(|| Fault::PatternType(value.clone()))?;
    if text.len() > MAX_BYTES {
        return Err(Fault::PatternLength);
    }
    let text = std::str::from_utf8(text).map_err(|error| Fault::Pattern(error.to_string()))?;
    Pattern::parse(text).map_err(|error| Fault::Pattern(error.to_string()))
}

fn priority(value: Option<FieldValue>) -> Result<i64, Fault> {
    let Some(value) = value else { return Ok(0) };
    value.as_integer().ok_or(Fault::Priority(value))
}
