//! The canonical text of a conversation, in which everything that may differ from run to run is normalised.

use std::collections::{BTreeMap, BTreeSet};

use super::method::{Argument, Method};
use super::raw::Event;
use super::value::{Table, Value, quoted};

/// Longest body that is printed as it is, in bytes.
const PRINTED_BODY: usize = 80;

/// The lines so far. Several connections of one script write into the same transcript, in the order of the script.
#[derive(Debug)]
pub(crate) struct Transcript {
    /// What starts every name that the script made up; printed as `~`.
    prefix: String,
    lines: Vec<String>,
}

impl Transcript {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), lines: Vec::new() }
    }

    /// Adds a line, normalised.
    pub(crate) fn line(&mut self, line: &str) {
        let own = line.replace(&self.prefix, "~");
        self.lines.push(normalised(&own));
    }

    /// How many lines there are.
    pub(crate) fn length(&self) -> usize {
        self.lines.len()
    }

    /// Puts all lines from this one on into alphabetical order.
    pub(crate) fn sort_from(&mut self, line: usize) {
        if let Some(tail) = self.lines.get_mut(line..) {
            tail.sort();
        }
    }

    pub(crate) fn finish(&self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }
}

/// Generated names and node names replaced by a star.
fn normalised(line: &str) -> String {
    ["amq.gen-", "amq.ctag-", "amq.rabbitmq.reply-to.", "rabbit@", "leveret@"]
        .iter()
        .fold(line.to_owned(), |line, marker| starred(&line, marker))
}

fn starred(line: &str, marker: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once(marker) {
        let token = after.find(|c: char| !(c.is_ascii_alphanumeric() || "-_+/=.".contains(c))).unwrap_or(after.len());
        out.push_str(before);
        out.push_str(marker);
        if token > 0 {
            out.push('*');
        }
        rest = after.split_at(token).1;
    }
    out + rest
}

/// Text of one event, or nothing for a body frame that does not complete its message.
#[derive(Debug, Default)]
pub(crate) struct EventText {
    contents: BTreeMap<u16, Content>,
}

#[derive(Debug, Default)]
struct Content {
    size: u64,
    body: Vec<u8>,
    frames: Vec<usize>,
}

impl EventText {
    /// Whether this channel still owes the body of a message.
    pub(crate) fn is_in_content(&self, channel: u16) -> bool {
        self.contents.contains_key(&channel)
    }

    /// The line for this event, without the connection's label.
    pub(crate) fn of(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Method { channel, method } => Some(format!("ch{channel} <- {}", method_text(method))),
            Event::Header { channel, class_id, weight, body_size, properties } => {
                if *body_size > 0 {
                    self.contents.insert(*channel, Content { size: *body_size, ..Content::default() });
                }
                let oddity = if (*class_id, *weight) == (60, 0) { "" } else { " (odd class or weight)" };
                Some(format!("ch{channel} <- header size={body_size}{properties}{oddity}"))
            }
            Event::Body { channel, bytes } => self.body(*channel, bytes),
            Event::Heartbeat { channel } => Some(format!("ch{channel} <- heartbeat")),
            Event::ProtocolHeader(octets) => {
                let [_, _, _, _, version @ ..] = octets;
                Some(format!("<- protocol header AMQP {version:?}"))
            }
            Event::Unreadable { frame_type, channel, payload } => {
                Some(format!("ch{channel} <- unreadable frame type={frame_type} {}", quoted(payload)))
            }
            Event::Eof => Some("<- end of stream".to_owned()),
            Event::Timeout => Some("<- nothing in time".to_owned()),
        }
    }

    fn body(&mut self, channel: u16, bytes: &[u8]) -> Option<String> {
        let Some(content) = self.contents.get_mut(&channel) else {
            return Some(format!("ch{channel} <- stray body {}", quoted(bytes)));
        };
        content.body.extend_from_slice(bytes);
        content.frames.push(bytes.len());
        if u64::try_from(content.body.len()).is_ok_and(|length| length < content.size) {
            return None;
        }
        let content = self.contents.remove(&channel).unwrap_or_default();
        let shown = if content.body.len() <= PRINTED_BODY {
            quoted(&content.body)
        } else {
            format!("of {} octets in frames of {:?}", content.body.len(), content.frames)
        };
        Some(format!("ch{channel} <- body {shown}"))
    }
}

fn method_text(method: &Method) -> String {
    if method.name == "connection.start" { start_text(method) } else { method.to_string() }
}

/// `connection.start` without what every broker says differently about itself.
fn start_text(method: &Method) -> String {
    let mut mechanisms: Vec<String> = method.text("mechanisms").split(' ').map(str::to_owned).collect();
    mechanisms.sort();
    let properties = match method.argument("server-properties") {
        Argument::Table(table) => table.clone(),
        Argument::Bit(_) | Argument::Number(_) | Argument::Text(_) => Table::new(),
    };
    let mut named: Vec<String> = properties.iter().map(|(name, value)| server_property(name, value)).collect();
    named.sort();
    format!(
        "connection.start version {}.{} mechanisms={} locales={} properties {}",
        method.number("version-major"),
        method.number("version-minor"),
        mechanisms.join(","),
        method.text("locales"),
        named.join(" "),
    )
}

fn server_property(name: &str, value: &Value) -> String {
    match value {
        Value::Str(_) => format!("{name}=S:*"),
        other => format!("{name}={other}"),
    }
}

/// Publisher confirms of one channel. A server may coalesce them, so only the set of numbers counts.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    published: u64,
    acked: BTreeSet<u64>,
    nacked: BTreeSet<u64>,
    unexpected: Vec<String>,
}

impl Confirms {
    /// One more message was published.
    pub(crate) fn published(&mut self) {
        self.published += 1;
    }

    /// Takes a `basic.ack` or `basic.nack` of the server.
    pub(crate) fn take(&mut self, method: &Method) {
        let number = method.number("delivery-tag");
        let from = if method.is_set("multiple") { 1 } else { number };
        let open: Vec<u64> = (from..=number).filter(|number| self.is_open(*number)).collect();
        if open.is_empty() {
            self.unexpected.push(method.to_string());
        }
        let settled = if method.name == "basic.ack" { &mut self.acked } else { &mut self.nacked };
        settled.extend(open);
    }

    fn is_open(&self, number: u64) -> bool {
        (1..=self.published).contains(&number) && !self.acked.contains(&number) && !self.nacked.contains(&number)
    }

    /// Every published message is confirmed.
    pub(crate) fn are_complete(&self) -> bool {
        !(1..=self.published).any(|number| self.is_open(number))
    }

    /// What is confirmed so far.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("confirms of {} acked={:?} nacked={:?}", self.published, self.acked, self.nacked);
        if !self.unexpected.is_empty() {
            text.push_str(&format!(" unexpected={:?}", self.unexpected));
        }
        text
    }
}
