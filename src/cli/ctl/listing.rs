//! What list commands have in common: columns to choose, and a table or JSON to write. Each command has its columns.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::api::{ApiError, Target};
use crate::cli::error::CliError;

/// Options of every list command.
#[derive(Debug, Args)]
#[group(id = "list")]
pub(super) struct Arguments {
    /// Columns to show, in this order
    #[arg(value_name = "COLUMN")]
    columns: Vec<String>,
    /// How to write the list
    #[arg(long, value_enum, default_value_t = Formatter::Table)]
    formatter: Formatter,
    /// Leave out the line that says what is listed
    #[arg(long, short)]
    quiet: bool,
    /// Leave out the names of the columns, too
    #[arg(long, short)]
    silent: bool,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Formatter {
    /// A line for each, columns parted by tabs
    Table,
    /// An array of objects
    Json,
}

/// A list: where it is, what it says it is, and its columns.
pub(super) struct Listing<'a> {
    /// Its path in the API, encoded.
    pub(super) path: String,
    /// The line above the table.
    pub(super) title: String,
    /// A column's name, and where in an item it is: a field, or a field of a field.
    pub(super) columns: &'a [(&'a str, &'a str)],
    /// The columns that are shown when none is asked for: so many of the first.
    pub(super) usual: usize,
}

impl Listing<'_> {
    /// Asks for the list and writes it.
    pub(super) fn run(&self, target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
        let columns = self.chosen(&arguments.columns)?;
        let items = target.get(&self.path)?;
        // A page of messages has its items in a field.
        let items = items.get("items").unwrap_or(&items).as_array().map(Vec::as_slice).unwrap_or_default();
        let text = match arguments.formatter {
            Formatter::Json => format!("{}\n", as_json(items, &columns)),
            Formatter::Table => {
                let mut text = String::new();
                if !arguments.quiet && !arguments.silent {
                    text.push_str(&format!("{}\n", self.title));
                }
                if !arguments.silent {
                    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
                    text.push_str(&format!("{}\n", names.join("\t")));
                }
                text + &rows(items, &columns)
            }
        };
        // Nobody reads on: nothing to tell.
        let _ = io::stdout().write_all(text.as_bytes());
        Ok(ExitCode::SUCCESS)
    }

    fn chosen(&self, wanted: &[String]) -> Result<Vec<(&str, &str)>, ApiError> {
        if wanted.is_empty() {
            return Ok(self.columns.iter().take(self.usual).copied().collect());
        }
        let known = || self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let find = |column: &String| {
            let found = self.columns.iter().find(|(name, _)| name == column).copied();
            found.ok_or_else(|| ApiError::Column { column: column.clone(), known: known() })
        };
        wanted.iter().map(find).collect()
    }
}

fn rows(items: &[Value], columns: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for item in items {
        let cells: Vec<_> = columns.iter().map(|(_, path)| cell(at(item, path))).collect();
        text.push_str(&cells.join("\t"));
        text.push('\n');
    }
    text
}

fn as_json(items: &[Value], columns: &[(&str, &str)]) -> Value {
    let object = |item: &Value| -> Value {
        let fields = columns.iter().map(|(name, path)| ((*name).to_owned(), at(item, path).clone()));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    items.iter().map(object).collect()
}

fn at<'a>(item: &'a Value, path: &str) -> &'a Value {
    const NOTHING: Value = Value::Null;
    path.split('.').try_fold(item, |item, field| item.get(field)).unwrap_or(&NOTHING)
}

/// A value in a table: one line, whatever is in it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace(['\t', '\n', '\r'], " "),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LISTING: &[(&str, &str)] = &[("name", "name"), ("peer", "details.host"), ("arguments", "arguments")];

    fn listing() -> Listing<'static> {
        Listing { path: String::new(), title: String::new(), columns: LISTING, usual: 1 }
    }

    #[test]
    fn columns_are_chosen_by_name_and_an_unknown_one_is_a_wrong_use() {
        let listing = listing();
        assert_eq!(listing.chosen(&[]).unwrap(), [("name", "name")]);
        assert_eq!(listing.chosen(&["peer".to_owned()]).unwrap(), [("peer", "details.host")]);
        let error = listing.chosen(&["size".to_owned()]).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.code()),
            ("there is no column size; there are: name, peer, arguments", 64)
        );
    }

    #[test]
    fn a_row_is_a_line_whatever_is_in_it() {
        let items = [json!({ "name": "a\tb\nc", "details": { "host": "h" }, "arguments": { "k": 1 } }), json!({})];
        assert_eq!(rows(&items, LISTING), "a b c\th\t{\"k\":1}\n\t\t\n");
        let expected = json!([
            { "name": "a\tb\nc", "peer": "h", "arguments": { "k": 1 } },
            { "name": null, "peer": null, "arguments": null },
        ]);
        assert_eq!(as_json(&items, LISTING), expected);
    }
}
