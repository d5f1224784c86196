//! A Leveret server of its own for a test, on a free port of the loopback interface and with a data directory that is
//! empty at first and outlives its restarts.

use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(60);

/// How long a server may take to end after SIGTERM before it is killed.
const STOP: Duration = Duration::from_secs(30);

/// Precedes the address on the line with which a server says that it listens.
const READY: &str = "AMQP on ";

/// Precedes the address on the line with which a server says where its management API is.
const MANAGEMENT: &str = "management API on http://";

/// A running server; dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    directory: TempDir,
    settings: Vec<(String, String)>,
}

/// The server's process, of which a data directory may see several.
#[derive(Debug)]
struct Process {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
}

/// How a process ends before the next one is started on its data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// In order, after SIGTERM.
    Stop,
    /// In the middle of whatever it does, by SIGKILL.
    Kill,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with further settings, `("key", "value")` each.
    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_under(&std::env::temp_dir(), settings)
    }

    /// As `start_with`, with the data directory under another one.
    pub(crate) fn start_under(parent: &Path, settings: &[(&str, &str)]) -> Self {
        let directory = TempDir::new_in(parent).expect("a temporary directory can be made");
        let settings: Vec<_> = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { process: Process::start(directory.path(), &settings), directory, settings }
    }

    /// Ends the server and starts it again on the same data, mostly on another port.
    pub(crate) fn restart(&mut self, ending: Ending) {
        self.end(ending);
        self.begin();
    }

    /// Ends the server; `begin` starts it again.
    pub(crate) fn end(&mut self, ending: Ending) {
        match ending {
            Ending::Stop => {
                self.signal("TERM");
                let status = self.wait_for_exit(STOP).expect("it ends in time");
                assert!(status.success(), "it ended with {status} and wrote:\n{}", self.log());
            }
            Ending::Kill => {
                self.process.child.kill().expect("the server is a child of this process");
                self.process.child.wait().expect("the server is a child of this process");
            }
        }
    }

    /// Starts a server that has ended again, on the same data and with the same settings.
    pub(crate) fn begin(&mut self) {
        self.process = Process::start(self.directory.path(), &self.settings);
    }

    /// As `begin`, with further arguments this once.
    pub(crate) fn begin_with(&mut self, arguments: &[&str]) {
        self.process = Process::launch(command(self.directory.path(), &self.settings).args(arguments));
    }

    /// What another process says that is started on the same data and has to give up.
    pub(crate) fn refusal(&self) -> Output {
        let mut child = command(self.directory.path(), &self.settings).spawn().expect("the server can be started");
        let ended = wait(&mut child, START).is_some();
        if !ended {
            drop(child.kill());
        }
        let output = child.wait_with_output().expect("the server is a child of this process");
        assert!(ended, "it did not give up: {output:?}");
        output
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.process.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.process.address.port()
    }

    /// Where the management API listens.
    pub(crate) fn management(&self) -> SocketAddr {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(address) = self.log().lines().find_map(|line| address_behind(MANAGEMENT, line)) {
                return address;
            }
            thread::park_timeout(Duration::from_millis(5));
        }
        panic!("the server does not say where its management API is:\n{}", self.log());
    }

    /// URI of the default vhost as user `guest`.
    pub(crate) fn uri(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.process.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Memory of the server's process that is in RAM, in bytes.
    pub(crate) fn resident(&self) -> usize {
        self.memory("VmRSS:")
    }

    /// The most that it ever was.
    pub(crate) fn peak(&self) -> usize {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process is there");
        let line = status.lines().find(|line| line.starts_with(name)).expect("a process has memory");
        let kib: usize = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB");
        kib * 1024
    }

    /// Sends the process a signal, `TERM` or the like.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal {name} can be sent");
    }

    /// How the process ended, if it ends within the time given.
    pub(crate) fn wait_for_exit(&mut self, patience: Duration) -> Option<ExitStatus> {
        wait(&mut self.process.child, patience)
    }

    /// Where the server keeps its data.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Everything that the server has written to its standard streams so far.
    pub(crate) fn log(&self) -> String {
        self.process.log.lock().expect("the log is readable").clone()
    }
}

impl Process {
    fn start(directory: &Path, settings: &[(String, String)]) -> Self {
        Self::launch(&mut command(directory, settings))
    }

    fn launch(command: &mut Command) -> Self {
        // One pipe for both streams: whatever was written before the server said that it listens is in the log by then.
        let (reader, writer) = pipe().expect("a pipe can be made");
        command.stdout(writer.try_clone().expect("a pipe may have two ends to write to")).stderr(writer);
        let mut child = command.spawn().expect("the server can be started");
        // Nobody but the server keeps the pipe open.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let log = Arc::new(Mutex::new(String::new()));
        let (ready, listening) = channel();
        drain(reader, &log, ready);
        let Some(address) = wait_until_ready(&listening) else {
            drop(child.kill());
            let status = child.wait();
            let log = log.lock().expect("the log is readable").clone();
            panic!("the server did not say `{READY}ADDRESS` in time; it ended with {status:?} and wrote:\n{log}");
        };
        Self { child, address, log }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = &mut self.child;
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        let asked = Command::new("kill").arg(child.id().to_string()).status().is_ok_and(|status| status.success());
        if asked && wait(child, STOP).is_some() {
            return;
        }
        drop(child.kill());
        drop(child.wait());
    }
}

fn command(directory: &Path, settings: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command.arg("server").arg("--data-dir").arg(directory);
    command.args(["--set", "listeners.tcp.default=127.0.0.1:0"]);
    command.args(["--set", "management.tcp.ip=127.0.0.1", "--set", "management.tcp.port=0"]);
    for (key, value) in settings {
        command.arg("--set").arg(format!("{key}={value}"));
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How a process ended, if it ends within the time given.
fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("the server is a child of this process") {
            return Some(status);
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    None
}

/// Copies what the child writes into the log, so that the child never blocks on it.
fn drain(stream: PipeReader, log: &Arc<Mutex<String>>, ready: Sender<SocketAddr>) {
    let log = Arc::clone(log);
    let reader = move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Ok(mut log) = log.lock() {
                log.push_str(&line);
                log.push('\n');
            }
            if let Some(address) = listening_address(&line) {
                let _ = ready.send(address);
            }
        }
    };
    thread::Builder::new().name("server output".to_owned()).spawn(reader).expect("a thread can be started");
}

fn listening_address(line: &str) -> Option<SocketAddr> {
    address_behind(READY, line).filter(|address| address.ip() == Ipv4Addr::LOCALHOST)
}

fn address_behind(words: &str, line: &str) -> Option<SocketAddr> {
    let after = line.split_once(words)?.1;
    after.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).next()?.parse().ok()
}

/// The address, or nothing when the server ended or took too long.
fn wait_until_ready(listening: &Receiver<SocketAddr>) -> Option<SocketAddr> {
    listening.recv_timeout(START).ok()
}
