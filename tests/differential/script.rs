//! One run of a scenario: its connections, its names and its transcript.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::conn::Conn;
use crate::support::commands::{delete, delete_exchange, method};
use crate::support::raw::{Handshake, RawClient};
use crate::support::transcript::Transcript;

/// One run of a scenario against one broker.
#[derive(Debug)]
pub(crate) struct Script {
    address: SocketAddr,
    prefix: String,
    transcript: Rc<RefCell<Transcript>>,
    names: RefCell<Vec<String>>,
}

impl Script {
    /// `prefix` starts every name that the scenario makes, and must be unique on the broker.
    pub(crate) fn new(address: SocketAddr, prefix: &str) -> Self {
        let transcript = Rc::new(RefCell::new(Transcript::new(prefix)));
        Self { address, prefix: prefix.to_owned(), transcript, names: RefCell::default() }
    }

    /// A name of this run's own, for a queue or an exchange. Whatever has that name at the end is deleted.
    pub(crate) fn name(&self, suffix: &str) -> String {
        let name = format!("{}{suffix}", self.prefix);
        self.names.borrow_mut().push(name.clone());
        name
    }

    /// A name that no other call of this run returns.
    pub(crate) fn another_name(&self, suffix: &str) -> String {
        let number = self.names.borrow().len();
        if number == 0 { self.name(suffix) } else { self.name(&format!("{suffix}{number}")) }
    }

    /// A connection with channel 1 open, both of which leave no trace in the transcript.
    pub(crate) fn connect(&self) -> Conn {
        self.connect_as("")
    }

    /// Like [`Script::connect`]; the label starts the connection's lines.
    pub(crate) fn connect_as(&self, label: &str) -> Conn {
        self.connect_with(label, &Handshake::default())
    }

    pub(crate) fn connect_with(&self, label: &str, handshake: &Handshake) -> Conn {
        let mut connection = self.tcp(label);
        connection.hide(true);
        connection.handshake(handshake);
        connection.call(method("channel.open"));
        connection.hide(false);
        connection
    }

    /// A TCP connection on which nothing was sent yet.
    pub(crate) fn tcp(&self, label: &str) -> Conn {
        Conn::new(RawClient::connect(self.address), label, Rc::clone(&self.transcript))
    }

    /// A remark in the transcript.
    pub(crate) fn note(&self, text: &str) {
        self.transcript.borrow_mut().line(&format!("-- {text}"));
    }

    /// Sorts what the conversation adds to the transcript, where the protocol leaves the order to the broker.
    pub(crate) fn in_any_order(&self, conversation: impl FnOnce()) {
        let start = self.transcript.borrow().length();
        conversation();
        self.transcript.borrow_mut().sort_from(start);
    }

    /// Deletes what the scenario left behind and returns the transcript.
    pub(crate) fn finish(&self) -> String {
        let names = self.names.take();
        if !names.is_empty() {
            let mut cleaner = self.connect_as("cleaner");
            cleaner.hide(true);
            for name in &names {
                cleaner.attempt(delete(name));
                cleaner.attempt(delete_exchange(name));
            }
        }
        self.transcript.borrow().finish()
    }
}
