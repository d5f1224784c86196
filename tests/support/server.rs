//! A Leveret server of its own for a test, on a free port of the loopback interface and with an empty data directory.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(20);

/// How long a server may take to end after SIGTERM before it is killed.
const STOP: Duration = Duration::from_secs(10);

/// Precedes the address on the line with which a server says that it listens.
const READY: &str = "AMQP on ";

/// A running server; dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    directory: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with further settings, `("key", "value")` each.
    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
        command.arg("server").arg("--data-dir").arg(directory.path());
        command.args(["--set", "listeners.tcp.default=127.0.0.1:0"]);
        for (key, value) in settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server can be started");
        let log = Arc::new(Mutex::new(String::new()));
        let (ready, listening) = channel();
        drain(child.stdout.take().expect("standard output is piped"), &log, Some(ready));
        drain(child.stderr.take().expect("standard error is piped"), &log, None);
        let Some(address) = wait_until_ready(&listening) else {
            drop(child.kill());
            let status = child.wait();
            let log = log.lock().expect("the log is readable").clone();
            panic!("the server did not say `{READY}ADDRESS` in time; it ended with {status:?} and wrote:\n{log}");
        };
        Self { child, address, log, directory }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// URI of the default vhost as user `guest`.
    pub(crate) fn uri(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where the server keeps its data.
    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Everything that the server has written to its standard streams so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the log is readable").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().is_ok_and(|status| status.success());
        let deadline = Instant::now() + STOP;
        while asked && Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::park_timeout(Duration::from_millis(10));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Copies a stream of the child into the log, so that the child never blocks on it.
fn drain(stream: impl Read + Send + 'static, log: &Arc<Mutex<String>>, ready: Option<Sender<SocketAddr>>) {
    let log = Arc::clone(log);
    let reader = move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).into_owned();
            if let (Some(ready), Some(address)) = (&ready, listening_address(&line)) {
                let _ = ready.send(address);
            }
            if let Ok(mut log) = log.lock() {
                log.push_str(&line);
                log.push('\n');
            }
        }
    };
    thread::Builder::new().name("server output".to_owned()).spawn(reader).expect("a thread can be started");
}

fn listening_address(line: &str) -> Option<SocketAddr> {
    let after = line.split_once(READY)?.1;
    let address: SocketAddr =
        after.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).next()?.parse().ok()?;
    (address.ip() == Ipv4Addr::LOCALHOST).then_some(address)
}

/// The address, or nothing when the server ended or took too long.
fn wait_until_ready(listening: &Receiver<SocketAddr>) -> Option<SocketAddr> {
    listening.recv_timeout(START).ok()
}
