//! `leveret ctl list_vhosts`.

use std::process::ExitCode;

use super::{
    api::Target,
    listing::{Arguments, Listing},
};
use crate::cli::error::CliError;

/// RabbitMQ's names, and where the API has them. The first are shown when none is asked for.
const FIELDS: &[(&str, &str)] = &[("name", "name")];

pub(super) fn run(target: &Target, arguments: &Arguments) -> Result<ExitCode, CliError> {
    let listing =
        Listing { path: "/vhosts".to_owned(), title: "Listing vhosts ...".to_owned(), columns: FIELDS, usual: 1 };
    listing.run(target, arguments)
}
