//! The command line: which commands there are and how the process ends. One file for each command.

mod announcement;
mod ctl;
mod error;
mod perf;
mod server;
mod signals;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use self::error::USAGE;

#[derive(Debug, Parser)]
#[command(name = "leveret", version, about, args_conflicts_with_subcommands = true)]
#[command(
    long_about = "Leveret is an AMQP 0-9-1 message broker: RabbitMQ's client libraries work with it as they are.\n\n\
    Without a command, `leveret` does what `leveret server` does: it listens on port 5672, with nothing to configure."
)]
#[command(after_help = server::EXAMPLES)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    server: server::Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker (what `leveret` alone does)
    #[command(after_help = server::EXAMPLES)]
    Server(server::Arguments),
    /// Look after a running broker and its data
    #[command(after_help = ctl::EXAMPLES)]
    Ctl(Box<ctl::Arguments>),
    /// Put load on an AMQP 0-9-1 broker and measure
    #[command(after_help = perf::EXAMPLES)]
    Perf(Box<perf::Arguments>),
}

/// Does what the arguments say, the first of which is the program's name, and returns how the process should end.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) => return explain(&error),
    };
    let result = match line.command {
        Some(Command::Server(arguments)) => server::run(arguments),
        Some(Command::Ctl(arguments)) => ctl::run(*arguments),
        Some(Command::Perf(arguments)) => perf::run(*arguments),
        None => server::run(line.server),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "leveret: {error}");
            error.exit_code()
        }
    }
}

/// Help and version go to standard output and are no failure; everything else is a wrong use.
fn explain(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<CommandLine, clap::Error> {
        CommandLine::try_parse_from(["leveret"].iter().chain(arguments))
    }

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn leveret_alone_is_leveret_server() {
        assert!(parse(&[]).unwrap().command.is_none());
        assert!(matches!(parse(&["server"]).unwrap().command, Some(Command::Server(_))));
        assert!(parse(&["--set", "heartbeat=5"]).unwrap().command.is_none());
    }

    #[test]
    fn the_help_has_examples_the_format_and_the_variables() {
        for arguments in [["--help"].as_slice(), &["server", "--help"]] {
            let help = parse(arguments).unwrap_err().to_string();
            for wanted in [
                "leveret server --set listeners.tcp.default=127.0.0.1:5673",
                "leveret server --config /etc/rabbitmq/rabbitmq.conf",
                "docs/guide/configuration.md",
                "RABBITMQ_DEFAULT_USER",
                "RABBITMQ_NODE_PORT",
                "RABBITMQ_CONFIG_FILE",
            ] {
                assert!(help.contains(wanted), "{arguments:?} lacks {wanted}:\n{help}");
            }
        }
    }

    #[test]
    fn a_wrong_option_is_a_wrong_use_and_help_is_none() {
        assert!(parse(&["--no-such-option"]).unwrap_err().use_stderr());
        assert!(!parse(&["--version"]).unwrap_err().use_stderr());
    }
}
