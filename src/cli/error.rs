//! Why a command failed, what to do about it, and the exit code (sysexits.h, as RabbitMQ's tools use).

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use thiserror::Error as ThisError;
use tracing::subscriber::SetGlobalDefaultError;

use super::{ctl::CtlError, perf::PerfError};
use crate::{config::ConfigError, http::HttpServerError, net::server::ServerError, node::check::CheckError};

/// `EX_USAGE`: the command line is wrong.
pub(super) const USAGE: u8 = 64;
/// `EX_UNAVAILABLE`: the system does not give what is needed.
const UNAVAILABLE: u8 = 69;
/// `EX_IOERR`: what is on the disk cannot be read, or is not what was written.
const IO: u8 = 74;
/// `EX_CONFIG`: the configuration is wrong.
const CONFIG: u8 = 78;

#[derive(Debug, ThisError)]
pub(super) enum CliError {
    #[error("{0}\nThe keys and the format are described in docs/guide/configuration.md.")]
    Config(#[from] ConfigError),
    #[error("cannot read the configuration file {}: {source}\nName another one with --config FILE.", path.display())]
    ReadConfig { path: PathBuf, source: io::Error },
    #[error(
        "cannot create the data directory {}: {source}\nName one that this user may write to with --data-dir DIR.",
        path.display()
    )]
    DataDir { path: PathBuf, source: io::Error },
    #[error("cannot start the log: {0}")]
    Logging(#[from] SetGlobalDefaultError),
    #[error(
        "cannot start threads: {0}\nThe system limits them (ulimit -u); runtime.worker_threads sets how many to use."
    )]
    Runtime(io::Error),
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    #[error("{error}{}", advice(.error))]
    Server {
        #[from]
        error: ServerError,
    },
    #[error(
        "the data directory {0} is damaged: {error}\nNothing was changed. Bring the directory back from a backup; or \
         see all that is damaged:\n  leveret ctl store check --data-dir {0}\nor start with what is intact, without the \
         rest:\n  leveret server --data-dir {0} --recover=salvage",
        data_dir.display()
    )]
    Damaged { data_dir: PathBuf, error: ServerError },
    #[error("{error}{}", api_advice(.error))]
    Api {
        #[from]
        error: HttpServerError,
    },
    #[error("{0}")]
    Check(CheckError),
    #[error("{0}")]
    Ctl(#[from] CtlError),
    #[error("{0}")]
    Perf(#[from] PerfError),
}

impl CliError {
    /// The server could not start on this data directory.
    pub(super) fn starting(error: ServerError, data_dir: &Path) -> Self {
        if error.is_damage() { Self::Damaged { data_dir: data_dir.to_owned(), error } } else { Self::Server { error } }
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Config(_) | Self::ReadConfig { .. } | Self::DataDir { .. } => CONFIG,
            Self::Damaged { .. } => IO,
            Self::Ctl(error) => error.code(),
            Self::Perf(error) => error.code(),
            Self::Check(error) => {
                if error.is_io() {
                    IO
                } else {
                    UNAVAILABLE
                }
            }
            Self::Logging(_) | Self::Runtime(_) | Self::Signals(_) | Self::Server { .. } | Self::Api { .. } => {
                UNAVAILABLE
            }
        })
    }
}

/// What to do about a system error that lies behind `error`.
fn advice(error: &(dyn Error + 'static)) -> &'static str {
    match system_error(error) {
        Some(io::ErrorKind::AddrInUse) => {
            "\nAnother program has the address, perhaps another broker (see who: ss -ltnp). Stop it, or choose another \
             port:\n  leveret server --set listeners.tcp.default=5673"
        }
        Some(io::ErrorKind::AddrNotAvailable) => {
            "\nNo network interface has the address. Choose another one:\n  \
             leveret server --set listeners.tcp.default=127.0.0.1:5672"
        }
        Some(io::ErrorKind::PermissionDenied) => {
            "\nPorts below 1024 need a privilege (CAP_NET_BIND_SERVICE). Choose another port:\n  \
             leveret server --set listeners.tcp.default=5672"
        }
        Some(_) | None => "",
    }
}

/// What to do about an address that the management API cannot have.
fn api_advice(error: &HttpServerError) -> &'static str {
    match system_error(error) {
        Some(_) => {
            "\nChoose another port, or turn the API off:\n  leveret server --set management.tcp.port=15673\n  \
             leveret server --set management.tcp.port=none"
        }
        None => "",
    }
}

fn system_error(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut chain = std::iter::successors(Some(error), |&error| error.source());
    chain.find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for a server's error that says where it tried to listen.
    #[derive(Debug, ThisError)]
    #[error("cannot listen on 127.0.0.1:5672: {source}")]
    struct Listen {
        source: io::Error,
    }

    #[test]
    fn a_port_in_use_says_how_to_choose_another() {
        let error = Listen { source: io::ErrorKind::AddrInUse.into() };
        assert!(advice(&error).contains("--set listeners.tcp.default=5673"));
    }

    #[test]
    fn other_system_errors_speak_for_themselves() {
        assert_eq!(advice(&Listen { source: io::ErrorKind::OutOfMemory.into() }), "");
    }
}
