//! What a key of the configuration is, and the two forms in which the table writes one.

use super::{draft::Draft, load::Setting, values::Expected};

/// A key that a configuration may set.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The name in rabbitmq.conf; a last segment in capitals stands for any name.
    pub name: &'static str,
    /// Type and unit of the value.
    pub value: &'static str,
    /// The default, as it would be written; empty when the key has none of its own.
    pub default: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    pub(super) set: Set,
}

/// A setting with the text that stands for the capitals in the key's name, or else the key's last segment.
pub(super) struct Given<'a> {
    pub(super) setting: &'a Setting,
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

pub(super) type Set = fn(&mut Draft, &Given<'_>) -> Result<(), Expected>;

impl Key {
    pub(super) fn apply(&self, draft: &mut Draft, setting: &Setting, segments: &[String]) -> Result<(), Expected> {
        let name = segments.last().map_or("", String::as_str);
        (self.set)(draft, &Given { setting, name, value: &setting.value })
    }
}

/// An entry whose value goes into one field: name, type, default, meaning, field, parser.
macro_rules! field {
    ($name:literal, $value:literal, $default:literal, $doc:literal, $($field:ident).+ = $parse:expr) => {
        Key {
            name: $name,
            value: $value,
            default: $default,
            doc: $doc,
            set: |draft, given| {
                draft.config.$($field).+ = $parse(given.value)?;
                Ok(())
            },
        }
    };
}

/// An entry that does more than fill one field.
macro_rules! action {
    ($name:literal, $value:literal, $default:literal, $doc:literal, $set:expr) => {
        Key { name: $name, value: $value, default: $default, doc: $doc, set: $set }
    };
}

pub(super) use {action, field};
