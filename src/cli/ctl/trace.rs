//! `leveret ctl trace_on` and `trace_off`.

use std::process::ExitCode;

use serde_json::json;

use super::api::Target;
use crate::cli::{announcement::escaped, error::CliError};

pub(super) fn run(target: &Target, on: bool) -> Result<ExitCode, CliError> {
    target.put(&format!("/vhosts/{}", escaped(&target.vhost)), &json!({ "tracing": on }), "virtual host")?;
    Ok(ExitCode::SUCCESS)
}
