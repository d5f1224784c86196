//! The text of rabbitmq.conf: `key = value`, comments, quotes and variables. Knows no key.

use super::{
    ConfigError, Place,
    load::{Environment, Layer, Setting},
};

/// The settings of a whole file, in their order.
pub(super) fn settings(name: &str, text: &str, environment: Environment<'_>) -> Result<Vec<Setting>, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines()
        .enumerate()
        .map(|(index, line)| (Place { source: name.to_owned(), line: Some(index + 1) }, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(place, line)| setting(place, Layer::Files, line, environment))
        .collect()
}

/// The argument of one `--set`. As a file's line, but `#` begins no comment.
pub(super) fn command_line(text: &str, environment: Environment<'_>) -> Result<Setting, ConfigError> {
    setting(Place { source: "--set".to_owned(), line: None }, Layer::CommandLine, text, environment)
}

fn setting(place: Place, layer: Layer, line: &str, environment: Environment<'_>) -> Result<Setting, ConfigError> {
    let not_a_setting = |place: &Place| ConfigError::NotASetting {
        place: place.clone(),
        // The first word only: the rest may be a password.
        found: line.split_whitespace().next().unwrap_or_default().to_owned(),
    };
    let (key, value) = line.split_once('=').ok_or_else(|| not_a_setting(&place))?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || key.contains(char::is_whitespace) {
        return Err(not_a_setting(&place));
    }
    let comments = layer == Layer::Files;
    let value = match value.strip_prefix('\'') {
        Some(rest) => quoted(rest, comments)
            .ok_or_else(|| ConfigError::BadQuotes { place: place.clone(), key: key.to_owned() })?,
        None => interpolated(without_comment(value, comments), environment).map_err(|variable| {
            ConfigError::UndefinedVariable { place: place.clone(), key: key.to_owned(), variable }
        })?,
    };
    Ok(Setting { place, layer, key: key.to_owned(), value })
}

fn without_comment(value: &str, comments: bool) -> &str {
    if !comments {
        return value;
    }
    value.split('#').next().unwrap_or_default().trim_end()
}

/// The text up to the closing quote, taken as it is; `None` when there is no such quote or something follows it.
fn quoted(rest: &str, comments: bool) -> Option<String> {
    let mut value = String::new();
    let mut letters = rest.chars();
    loop {
        match letters.next()? {
            '\'' => break,
            '\\' if letters.as_str().starts_with('\'') => value.extend(letters.next()),
            letter => value.push(letter),
        }
    }
    let after = letters.as_str().trim_start();
    (after.is_empty() || (comments && after.starts_with('#'))).then_some(value)
}

/// Puts in the variables; the error is the name of one that is not set.
fn interpolated(value: &str, environment: Environment<'_>) -> Result<String, String> {
    let mut done = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        done.push_str(before);
        let Some((variable, behind)) = variable(after) else {
            done.push('$');
            rest = after;
            continue;
        };
        done.push_str(&environment(variable).ok_or_else(|| variable.to_owned())?);
        rest = behind;
    }
    done.push_str(rest);
    Ok(done)
}

/// What stands behind a `$`: `(NAME)` or `{NAME}`, and the rest.
fn variable(after: &str) -> Option<(&str, &str)> {
    let (inner, close) = match (after.strip_prefix('('), after.strip_prefix('{')) {
        (Some(inner), _) => (inner, ')'),
        (None, Some(inner)) => (inner, '}'),
        (None, None) => return None,
    };
    let (name, rest) = inner.split_once(close)?;
    let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    is_name.then_some((name, rest))
}
