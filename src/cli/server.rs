//! `leveret server`: loads the configuration, starts the log and the runtime, and runs the broker until a signal.

use std::{
    fs::DirBuilder,
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use tokio::{runtime::Runtime, sync::oneshot};

use super::{announcement::Announcement, error::CliError, signals::Signals};
use crate::{
    config::{Config, Loaded, SourceFile, Sources},
    http::{self, HttpServer},
    logging,
    net::{server, threads},
};

/// Shown under the options.
pub(super) const EXAMPLES: &str = "\
Examples:
  leveret
      Listen on port 5672, and on 15672 for the management API; user guest, password guest, from this machine only
  leveret server --set listeners.tcp.default=127.0.0.1:5673
      Listen on another port, on one address
  leveret server --set management.tcp.port=15673
      Have the management API on another port; none turns it off
  leveret server --config /etc/rabbitmq/rabbitmq.conf --config /etc/rabbitmq/conf.d
      Use the configuration of a RabbitMQ
  RABBITMQ_DEFAULT_USER=app RABBITMQ_DEFAULT_PASS=secret leveret
      Start with another user, who may connect from anywhere
  leveret server --set log.console.level=debug --set log.console.formatter=json
      Log everything, as JSON

Configuration:
  The file has the format of rabbitmq.conf, `key = value` on each line, with RabbitMQ's keys and a few of its own.
  All keys with their defaults: docs/guide/configuration.md

Environment:
  RABBITMQ_DEFAULT_USER, RABBITMQ_DEFAULT_PASS, RABBITMQ_DEFAULT_VHOST
      As the keys default_user, default_pass, default_vhost; they override the files
  RABBITMQ_NODE_PORT, RABBITMQ_NODE_IP_ADDRESS
      Where to listen when the files do not say
  RABBITMQ_NODENAME
      The cluster's name when the files do not say
  RABBITMQ_CONFIG_FILE
      The file to read when there is no --config

SIGTERM and SIGINT (Ctrl-C) end the broker in order, a second one at once.
Exit codes: 0 ended by a signal, 64 wrong use, 69 address or system resource not available, 74 data damaged or the
disk failed, 78 wrong configuration.";

/// Options of `leveret server`.
#[derive(Debug, Default, Args)]
pub(super) struct Arguments {
    /// Configuration file in rabbitmq.conf's format, or a directory of *.conf files; may be given again, the last wins
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Directory for everything that outlives a restart; created if missing [default: ./leveret-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Start on a damaged data directory with what is intact, and say what is lost
    #[arg(long, value_name = "HOW")]
    recover: Option<Recover>,
    /// Set a configuration key, over files and environment; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// What to do about damage in the data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Recover {
    /// Go on without what is damaged
    Salvage,
}

/// Runs the broker until it is told to stop.
pub(super) fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let Loaded { config, warnings } = load(arguments)?;
    create_data_dir(&config.data_dir)?;
    logging::start(config.log_level, config.log_format)?;
    tracing::info!("Starting Leveret {}", env!("CARGO_PKG_VERSION"));
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if is_open_to_strangers(&config) {
        tracing::warn!("user 'guest' has the password that everybody knows and can connect from other machines");
    }
    let runtime = runtime(&config)?;
    let result = runtime.block_on(serve(config));
    // Tasks that have not ended by now would hold the process up.
    runtime.shutdown_background();
    result
}

fn load(arguments: Arguments) -> Result<Loaded, CliError> {
    let environment = |name: &str| std::env::var(name).ok();
    let mut sources = Sources::new(&environment);
    for path in config_files(arguments.config) {
        let path = with_extension(&path);
        let files = SourceFile::read(&path).map_err(|source| CliError::ReadConfig { path, source })?;
        sources.files.extend(files);
    }
    sources.set = arguments.set;
    sources.data_dir = arguments.data_dir;
    let mut loaded = Config::load(&sources)?;
    loaded.config.salvage = arguments.recover == Some(Recover::Salvage);
    Ok(loaded)
}

/// The files of the command line, or else RabbitMQ's variable, which may be set to nothing.
fn config_files(named: Vec<PathBuf>) -> Vec<PathBuf> {
    if !named.is_empty() {
        return named;
    }
    std::env::var_os("RABBITMQ_CONFIG_FILE").filter(|path| !path.is_empty()).map(PathBuf::from).into_iter().collect()
}

/// RabbitMQ lets `.conf` be left out of a file's name.
fn with_extension(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".conf");
    let longer = PathBuf::from(name);
    if !path.exists() && longer.exists() { longer } else { path.to_owned() }
}

/// For the owner only: messages will lie in it.
fn create_data_dir(path: &Path) -> Result<(), CliError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| CliError::DataDir { path: path.to_owned(), source })
}

fn is_open_to_strangers(config: &Config) -> bool {
    config.default_user == "guest"
        && config.default_pass.expose() == "guest"
        && !config.loopback_users.contains(&config.default_user)
        && config.listeners.iter().any(|address| !address.ip().is_loopback())
}

fn runtime(config: &Config) -> Result<Runtime, CliError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = config.worker_threads {
        builder.worker_threads(threads);
    }
    threads::count_idle(&mut builder);
    builder.thread_name("leveret").enable_all().build().map_err(CliError::Runtime)
}

async fn serve(config: Config) -> Result<ExitCode, CliError> {
    // Before the listeners open: whoever waits for them may send a signal at once.
    let mut signals = Signals::new().map_err(CliError::Signals)?;
    let server = server::bind(config.clone()).await.map_err(|error| CliError::starting(error, &config.data_dir))?;
    let api = http::bind(&config, server.node(), server.local_addrs().to_vec())?;
    announce(&config, &server, api.as_ref());
    let (stop, stopped) = oneshot::channel();
    let second_signal = async {
        let first = signals.next().await;
        tracing::info!("signal {first}: shutting down; a second signal ends at once");
        // The server may have stopped by itself meanwhile.
        let _ = stop.send(());
        signals.next().await
    };
    // The API ends first: what it has begun must be in the log before that is closed.
    let shutdown = async {
        let stop = async {
            // An error means that `stop` is gone, which ends the server as well.
            let _ = stopped.await;
        };
        match api {
            Some(api) => api.run_until(stop).await,
            None => stop.await,
        }
    };
    tokio::select! {
        result = server.run_until(shutdown) => {
            result?;
            tracing::info!("Leveret has stopped");
            Ok(ExitCode::SUCCESS)
        }
        // The shell's convention for a process that a signal ended.
        signal = second_signal => Ok(ExitCode::from(128 + signal)),
    }
}

fn announce(config: &Config, server: &server::RunningServer, api: Option<&HttpServer>) {
    let management = api.map(HttpServer::local_addr);
    let announcement = Announcement { config, listeners: server.local_addrs(), management };
    let mut output = io::stdout();
    // A closed standard output is no reason not to serve.
    let _ = write!(output, "{announcement}").and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_data_directory_is_created_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/leveret-data");
        create_data_dir(&path).unwrap();
        create_data_dir(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn the_extension_of_a_configuration_file_may_be_left_out() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("rabbitmq.conf"), "heartbeat = 7").unwrap();
        let arguments = Arguments { config: vec![directory.path().join("rabbitmq")], ..Arguments::default() };
        assert_eq!(load(arguments).unwrap().config.heartbeat, 7);
    }

    #[test]
    fn a_configuration_file_that_is_missing_is_named() {
        let arguments = Arguments { config: vec!["/nonexistent/x.conf".into()], ..Arguments::default() };
        let text = load(arguments).unwrap_err().to_string();
        assert!(text.contains("/nonexistent/x.conf"), "{text}");
    }

    #[test]
    fn guest_is_open_to_strangers_only_when_let_out() {
        let let_out = Config { loopback_users: Vec::new(), ..Config::default() };
        assert!(is_open_to_strangers(&let_out));
        assert!(!is_open_to_strangers(&Config::default()));
        let local = Config { listeners: vec!["127.0.0.1:5672".parse().unwrap()], ..let_out };
        assert!(!is_open_to_strangers(&local));
    }
}
