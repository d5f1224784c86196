//! A connection of a scenario: it sends, waits, and writes down what happens.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::support::commands::{cancel, get, method, publish};
use crate::support::method::Method;
use crate::support::properties::Properties;
use crate::support::raw::{Event, Handshake, PROTOCOL_HEADER, RawClient};
use crate::support::transcript::{Confirms, EventText, Transcript};

/// How long the broker may take for anything that it owes. RabbitMQ pauses 3 s before some closes.
const PATIENCE: Duration = Duration::from_secs(15);

/// Upper bound on the events of one wait.
const MANY: usize = 2000;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    ChannelClosed,
    ConnectionClosed,
    Silent,
}

/// How far a connection has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not open yet, so that there is nothing to close in an orderly way.
    Handshake,
    Open,
    /// Either side has sent `connection.close`.
    Closed,
    /// The broker has closed the stream.
    Ended,
}

/// One connection of a scenario. Unless told otherwise everything happens on channel 1.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) client: RawClient,
    label: String,
    transcript: Rc<RefCell<Transcript>>,
    text: EventText,
    confirms: BTreeMap<u16, Confirms>,
    last_tag: u64,
    token: String,
    hidden: bool,
    answers_close: bool,
    stage: Stage,
    syncs: u32,
    numbers: u32,
}

impl Conn {
    /// Nothing has been sent yet; the label starts the connection's lines.
    pub(crate) fn new(client: RawClient, label: &str, transcript: Rc<RefCell<Transcript>>) -> Self {
        Self {
            client,
            label: label.to_owned(),
            transcript,
            text: EventText::default(),
            confirms: BTreeMap::new(),
            last_tag: 0,
            token: String::new(),
            hidden: false,
            answers_close: true,
            stage: Stage::Handshake,
            syncs: 0,
            numbers: 0,
        }
    }

    /// Whether what follows leaves no trace in the transcript.
    pub(crate) fn hide(&mut self, hidden: bool) {
        self.hidden = hidden;
    }

    /// Does the whole handshake, stopping where the broker refuses.
    pub(crate) fn handshake(&mut self, handshake: &Handshake) -> Outcome {
        self.begin();
        self.login(handshake)
    }

    /// The handshake after `connection.start`.
    pub(crate) fn login(&mut self, handshake: &Handshake) -> Outcome {
        let outcome = self.call_on(0, handshake.start_ok());
        if outcome != Outcome::Answered {
            return outcome;
        }
        self.send_on(0, &handshake.tune_ok());
        self.call_on(0, handshake.open())
    }

    /// The handshake up to a `connection.tune-ok` which gets refused. Nothing follows it: RabbitMQ hangs up with
    /// bytes unread and its close gets lost if something does.
    pub(crate) fn login_with_refused_tuning(&mut self, handshake: &Handshake) {
        self.call_on(0, handshake.start_ok());
        self.send_on(0, &handshake.tune_ok());
        self.until(0, &[]);
    }

    /// Sends the protocol header and waits for `connection.start`.
    pub(crate) fn begin(&mut self) -> Outcome {
        self.client.send(PROTOCOL_HEADER);
        self.until(0, &["connection.start"])
    }

    /// Like [`Conn::begin`] without a line in the transcript.
    pub(crate) fn begin_unseen(&mut self) {
        let hidden = std::mem::replace(&mut self.hidden, true);
        self.begin();
        self.hidden = hidden;
    }

    /// Leaves the broker's closes unanswered from here on.
    pub(crate) fn leave_closes_unanswered(&mut self) {
        self.answers_close = false;
    }

    /// Sends bytes as they are; `what` describes them.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8], what: &str) {
        self.say(&format!("-> {what}"));
        self.client.send(bytes);
    }

    /// Sends a frame of any kind; `what` describes it.
    pub(crate) fn send_frame(&mut self, frame_type: u8, channel: u16, payload: &[u8], what: &str) {
        self.say(&format!("ch{channel} -> {what}"));
        self.client.send_frame(frame_type, channel, payload);
    }

    pub(crate) fn send(&mut self, method: &Method) {
        self.send_on(1, method);
    }

    pub(crate) fn send_on(&mut self, channel: u16, method: &Method) {
        self.say(&format!("ch{channel} -> {}", method.brief()));
        self.client.send_method(channel, method);
    }

    /// Sends a method and waits for its reply, or for the close that it gets instead.
    pub(crate) fn call(&mut self, method: Method) -> Outcome {
        self.call_on(1, method)
    }

    pub(crate) fn call_on(&mut self, channel: u16, method: Method) -> Outcome {
        self.send_on(channel, &method);
        let confirming = method.name == "confirm.select";
        let outcome = self.until(channel, &replies(&method));
        if confirming && outcome == Outcome::Answered {
            self.confirms.entry(channel).or_default();
        }
        if method.name == "connection.open" && outcome == Outcome::Answered {
            self.stage = Stage::Open;
        }
        outcome
    }

    /// Like [`Conn::call`] without a line in the transcript.
    pub(crate) fn unseen(&mut self, method: Method) -> Outcome {
        let hidden = std::mem::replace(&mut self.hidden, true);
        let outcome = self.call(method);
        self.hidden = hidden;
        outcome
    }

    /// Takes a message from the queue, if there is one, without a line in the transcript.
    pub(crate) fn unseen_get(&mut self, queue: &str) -> bool {
        let before = self.last_tag;
        self.unseen(get(queue).flag("no-ack"));
        self.last_tag != before
    }

    /// 1, 2, 3 and so on.
    pub(crate) fn next_number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    /// Like [`Conn::call`]; a channel that got closed is opened again, so that the script can go on.
    pub(crate) fn attempt(&mut self, method: Method) -> Outcome {
        let outcome = self.call(method);
        if outcome == Outcome::ChannelClosed {
            self.reopen();
        }
        outcome
    }

    /// Sends a method that has no reply, and waits until the broker has dealt with it.
    pub(crate) fn tell(&mut self, method: &Method) -> Outcome {
        self.send(method);
        self.sync()
    }

    /// Opens channel 1 again without a trace.
    pub(crate) fn reopen(&mut self) {
        self.confirms.remove(&1);
        let hidden = std::mem::replace(&mut self.hidden, true);
        self.call(method("channel.open"));
        self.hidden = hidden;
    }

    /// Publishes with a body in one frame.
    pub(crate) fn publish(&mut self, publish: &Method, properties: &Properties, body: &str) {
        self.publish_on(1, publish, properties, body);
    }

    /// Publishes each body to the queue, and waits until all have come.
    pub(crate) fn fill(&mut self, queue: &str, bodies: &[&str]) {
        for body in bodies {
            self.publish(&publish("", queue), &Properties::none(), body);
        }
        self.sync();
    }

    pub(crate) fn publish_on(&mut self, channel: u16, publish: &Method, properties: &Properties, body: &str) {
        self.say(&format!("ch{channel} -> {}{properties} body {body:?}", publish.brief()));
        self.publish_unseen(channel, publish, properties, body.as_bytes());
    }

    /// Publishes without a line in the transcript.
    pub(crate) fn publish_unseen(&mut self, channel: u16, publish: &Method, properties: &Properties, body: &[u8]) {
        self.client.send_method(channel, publish);
        self.client.send_header(channel, u64::try_from(body.len()).expect("the size fits"), properties);
        if !body.is_empty() {
            self.client.send_body(channel, body);
        }
        if let Some(confirms) = self.confirms.get_mut(&channel) {
            confirms.published();
        }
    }

    /// Waits until everything that was sent on channel 1 has been dealt with.
    pub(crate) fn sync(&mut self) -> Outcome {
        self.sync_on(1)
    }

    /// Cancelling a consumer which never was has no effect but the reply, in every mode of a channel.
    pub(crate) fn sync_on(&mut self, channel: u16) -> Outcome {
        self.syncs += 1;
        let consumer_tag = format!("sync {}", self.syncs);
        self.client.send_method(channel, &cancel(&consumer_tag));
        let outcome = self.wait(channel, |event| is_sync(event, &consumer_tag), |_| false);
        self.note_outcome(outcome);
        outcome
    }

    /// Waits for one of the named methods on channel 1, with its content if it has any.
    pub(crate) fn expect(&mut self, name: &str) -> Outcome {
        self.until(1, &[name])
    }

    /// Waits for one of the named methods on this channel, or for a close.
    pub(crate) fn until(&mut self, channel: u16, names: &[&str]) -> Outcome {
        let outcome = self.wait(
            channel,
            |_| false,
            |event| match event {
                Event::Method { channel: seen, method } => *seen == channel && names.contains(&method.name),
                _ => false,
            },
        );
        self.note_outcome(outcome);
        outcome
    }

    /// Waits for all of the named methods on channel 1 and writes them down in alphabetical order.
    pub(crate) fn expect_all(&mut self, names: &[&str]) {
        let mut lines = Vec::new();
        for _ in names {
            let event = self.next();
            lines.extend(self.text.of(&event));
            if matches!(event, Event::Eof | Event::Timeout) {
                break;
            }
        }
        lines.sort();
        for line in lines {
            self.say(&line);
        }
    }

    /// Waits until every message published on channel 1 is confirmed, and writes down how.
    pub(crate) fn confirmed(&mut self) {
        self.confirmed_on(1);
    }

    pub(crate) fn confirmed_on(&mut self, channel: u16) {
        for _ in 0..MANY {
            if self.confirms.entry(channel).or_default().are_complete() {
                break;
            }
            let event = self.next();
            if self.take(&event, channel).is_some_and(|outcome| outcome != Outcome::Answered) {
                break;
            }
        }
        let text = self.confirms.entry(channel).or_default().text();
        self.say(&format!("ch{channel} <- {text}"));
    }

    /// Waits for the end of the stream.
    pub(crate) fn eof(&mut self) {
        self.until(0, &[]);
    }

    /// Waits for the end of the stream, if it was not that which ended the last wait.
    pub(crate) fn eof_unless_seen(&mut self) {
        if self.stage != Stage::Ended {
            self.eof();
        }
    }

    /// The reply-to name in the last message that had one.
    pub(crate) fn reply_token(&self) -> String {
        self.token.clone()
    }

    /// Queue name in the last `queue.declare-ok`, or the consumer tag in the last `basic.consume-ok`.
    pub(crate) fn given_name(&self) -> String {
        self.token.clone()
    }

    /// Ends the connection in the orderly way.
    pub(crate) fn close(&mut self) {
        let hidden = std::mem::replace(&mut self.hidden, true);
        self.call_on(0, method("connection.close").set("reply-code", 200));
        self.hidden = hidden;
        self.stage = Stage::Closed;
    }

    fn next(&mut self) -> Event {
        self.client.next(PATIENCE)
    }

    /// Takes events until one is wanted, seen or not seen in the transcript, or something ended.
    fn wait(&mut self, channel: u16, unseen: impl Fn(&Event) -> bool, seen: impl Fn(&Event) -> bool) -> Outcome {
        for _ in 0..MANY {
            let event = self.next();
            if unseen(&event) {
                return Outcome::Answered;
            }
            if let Some(outcome) = self.take(&event, channel) {
                return outcome;
            }
            if seen(&event) {
                self.take_content(&event);
                return Outcome::Answered;
            }
        }
        self.say("<- too many events");
        Outcome::Silent
    }

    /// Writes down an event; says so when it ends the wait on this channel.
    fn take(&mut self, event: &Event, channel: u16) -> Option<Outcome> {
        if let Event::Method { channel: seen, method } = event {
            let confirms = self.confirms.get_mut(seen);
            if let (Some(confirms), "basic.ack" | "basic.nack") = (confirms, method.name) {
                confirms.take(method);
                return None;
            }
        }
        self.remember(event);
        if *event == Event::Eof {
            self.stage = Stage::Ended;
        }
        if let Some(line) = self.text.of(event) {
            self.say(&line);
        }
        match event {
            Event::Method { channel: seen, method } if method.name == "channel.close" => {
                self.answer(*seen, "channel.close-ok");
                (*seen == channel).then_some(Outcome::ChannelClosed)
            }
            Event::Method { method, .. } if method.name == "connection.close" => {
                self.answer(0, "connection.close-ok");
                Some(Outcome::ConnectionClosed)
            }
            Event::Eof => Some(Outcome::ConnectionClosed),
            Event::Timeout => Some(Outcome::Silent),
            _ => None,
        }
    }

    fn take_content(&mut self, event: &Event) {
        let Event::Method { channel, method } = event else { return };
        if !matches!(method.name, "basic.deliver" | "basic.get-ok" | "basic.return") {
            return;
        }
        for _ in 0..MANY {
            let event = self.next();
            let ended = self.take(&event, *channel).is_some();
            let is_content = matches!(event, Event::Header { .. } | Event::Body { .. });
            if ended || (is_content && !self.text.is_in_content(*channel)) {
                return;
            }
        }
    }

    fn remember(&mut self, event: &Event) {
        match event {
            Event::Method { method, .. } => match method.name {
                "basic.deliver" | "basic.get-ok" => self.last_tag = method.number("delivery-tag"),
                "queue.declare-ok" => self.token = method.text("queue"),
                "basic.consume-ok" => self.token = method.text("consumer-tag"),
                _ => {}
            },
            Event::Header { properties, .. } => {
                if let Some(token) = properties.text_of("reply-to") {
                    self.token = token;
                }
            }
            _ => {}
        }
    }

    fn answer(&mut self, channel: u16, name: &str) {
        if self.answers_close {
            self.client.send_method(channel, &method(name));
        }
    }

    fn note_outcome(&mut self, outcome: Outcome) {
        if outcome == Outcome::ConnectionClosed && self.stage != Stage::Ended {
            self.stage = Stage::Closed;
        }
    }

    fn say(&mut self, line: &str) {
        if self.hidden {
            return;
        }
        let label = if self.label.is_empty() { String::new() } else { format!("{} ", self.label) };
        self.transcript.borrow_mut().line(&format!("{label}{line}"));
    }
}

impl Drop for Conn {
    /// The orderly end: exclusive queues are gone when the broker has answered.
    fn drop(&mut self) {
        if self.stage == Stage::Open && !std::thread::panicking() {
            self.close();
        }
    }
}

fn is_sync(event: &Event, consumer_tag: &str) -> bool {
    match event {
        Event::Method { method, .. } => method.name == "basic.cancel-ok" && method.text("consumer-tag") == consumer_tag,
        _ => false,
    }
}

fn replies(method: &Method) -> Vec<&'static str> {
    match method.name {
        "connection.start-ok" => vec!["connection.secure", "connection.tune"],
        "basic.get" => vec!["basic.get-ok", "basic.get-empty"],
        name => vec![Method::new(&format!("{name}-ok")).name],
    }
}
