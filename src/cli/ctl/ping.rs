//! `leveret ctl ping`: the exit code says it; the line is for people.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use super::api::Target;
use crate::cli::error::CliError;

pub(super) fn run(target: &Target) -> Result<ExitCode, CliError> {
    target.get("/whoami")?;
    let _ = io::stdout().write_all(b"Ping succeeded\n");
    Ok(ExitCode::SUCCESS)
}
