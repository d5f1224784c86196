//! From the protocol header to connection.open-ok. A client that breaks the handshake gets silence for three seconds
//! and then a closed socket, as RabbitMQ does; only negotiation and vhost errors are told.

use leveret_protocol::{FRAME_MIN_SIZE, Method, PROTOCOL_HEADER, ShortString, connection};

use super::{Connection, Effect, Heartbeat, Note, SILENT_CLOSE, State};
use crate::broker::auth::sasl::Mechanism;
use crate::broker::error::{BrokerError, ConnectionError};
use crate::broker::time::Timestamp;

const TUNE: (u16, u16) = (10, 30);
const OPEN: (u16, u16) = (10, 40);

/// AMQP 0-9 in its older spelling, which RabbitMQ takes for 0-9-1.
const OLDER_HEADER: [u8; 8] = *b"AMQP\x01\x01\x00\x09";

impl Connection {
    pub(super) fn receive_header(&mut self, input: &[u8], effects: &mut Vec<Effect>) -> usize {
        let Some(header) = input.first_chunk::<8>() else { return 0 };
        if *header != PROTOCOL_HEADER && *header != OLDER_HEADER {
            effects.push(Effect::Note(Note::BadProtocolHeader(*header)));
            effects.push(Effect::SendProtocolHeader);
            self.end(effects);
            return input.len();
        }
        let names: Vec<&str> = self.settings.mechanisms.iter().map(|mechanism| mechanism.name()).collect();
        let start = connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: self.settings.server_properties(),
            mechanisms: names.join(" ").into(),
            locales: "en_US".into(),
        };
        Self::send(0, start, effects);
        self.state = State::Starting;
        header.len()
    }

    pub(super) fn receive_start_ok(
        &mut self,
        now: Timestamp,
        start_ok: connection::StartOk,
        effects: &mut Vec<Effect>,
    ) {
        self.client_properties = start_ok.client_properties;
        let offered = start_ok.mechanism.as_str().and_then(Mechanism::by_name);
        let Some(mechanism) = offered.filter(|mechanism| self.settings.mechanisms.contains(mechanism)) else {
            return self.silence(now, format!("mechanism '{}' is not offered", start_ok.mechanism), effects);
        };
        let Some(login) = mechanism.login(&start_ok.response) else {
            return self.silence(now, format!("malformed {} response", mechanism.name()), effects);
        };
        self.mechanism = Some(mechanism);
        self.state = State::Authenticating;
        self.waiting = true;
        effects.push(Effect::Authenticate { mechanism, login });
    }

    /// The node's word on the login.
    pub fn authenticated(&mut self, now: Timestamp, accepted: bool, effects: &mut Vec<Effect>) {
        self.waiting = false;
        if self.state != State::Authenticating {
            return;
        }
        if !accepted {
            let mechanism = self.mechanism.map_or("", Mechanism::name).to_owned();
            let error = ConnectionError::LoginRefused { mechanism };
            if self.client_can("authentication_failure_close") {
                self.close_with(now, (0, 0), &error, effects);
                self.state = State::Closing(now.after(SILENT_CLOSE));
            } else {
                self.silence(now, "login refused".to_owned(), effects);
            }
            return;
        }
        let tune = connection::Tune {
            channel_max: self.settings.channel_max,
            frame_max: self.settings.frame_max,
            heartbeat: self.settings.heartbeat,
        };
        Self::send(0, tune, effects);
        self.state = State::Tuning;
    }

    pub(super) fn receive_tune_ok(&mut self, now: Timestamp, tune_ok: &connection::TuneOk, effects: &mut Vec<Effect>) {
        if let Err(text) = self.check_tune(tune_ok) {
            return self.close_with(now, TUNE, &ConnectionError::NotAllowed(text), effects);
        }
        self.frame_max = tune_ok.frame_max;
        self.channel_max = tune_ok.channel_max;
        self.heartbeat = Heartbeat::new(tune_ok.heartbeat, now);
        self.state = State::Opening;
    }

    fn check_tune(&self, tune_ok: &connection::TuneOk) -> Result<(), String> {
        check_limit("channel_max", u32::from(tune_ok.channel_max), u32::from(self.settings.channel_max))?;
        check_limit("frame_max", tune_ok.frame_max, self.settings.frame_max)?;
        if (1..FRAME_MIN_SIZE).contains(&tune_ok.frame_max) {
            return Err(format!(
                "negotiated frame_max = {} is lower than the minimum allowed value ({FRAME_MIN_SIZE})",
                tune_ok.frame_max
            ));
        }
        Ok(())
    }

    pub(super) fn receive_open(&mut self, open: connection::Open, effects: &mut Vec<Effect>) {
        self.state = State::Entering;
        self.waiting = true;
        self.vhost = open.virtual_host.clone();
        effects.push(Effect::OpenVhost(open.virtual_host));
    }

    /// The node's word on the vhost.
    pub fn vhost_opened(&mut self, now: Timestamp, opened: Result<(), ConnectionError>, effects: &mut Vec<Effect>) {
        self.waiting = false;
        if self.state != State::Entering {
            return;
        }
        match opened {
            Ok(()) => {
                Self::send(0, connection::OpenOk { known_hosts: ShortString::default() }, effects);
                self.state = State::Running;
            }
            Err(error) => self.close_with(now, OPEN, &error, effects),
        }
    }

    /// A method on channel 0 before the connection runs that does not fit.
    pub(super) fn misplaced(&mut self, now: Timestamp, method: &Method, effects: &mut Vec<Effect>) {
        let ids = (method.class_id(), method.method_id());
        match self.state {
            State::Opening => {
                self.fail(now, 0, ids, BrokerError::Connection(ConnectionError::UnexpectedMethod("opening")), effects);
            }
            State::Running => {
                self.fail(now, 0, ids, BrokerError::Connection(ConnectionError::UnexpectedMethod("running")), effects);
            }
            State::Header
            | State::Starting
            | State::Authenticating
            | State::Tuning
            | State::Entering
            | State::Closing(_)
            | State::Silent(_)
            | State::Closed => self.silence(now, format!("unexpected {}", method.name()), effects),
        }
    }

    pub(super) fn silence(&mut self, now: Timestamp, reason: String, effects: &mut Vec<Effect>) {
        effects.push(Effect::Note(Note::HandshakeRefused(reason)));
        self.state = State::Silent(now.after(SILENT_CLOSE));
    }
}

fn check_limit(name: &str, wanted: u32, offered: u32) -> Result<(), String> {
    if offered == 0 || (1..=offered).contains(&wanted) {
        return Ok(());
    }
    let shown = if wanted == 0 { "0 (no limit)".to_owned() } else { wanted.to_string() };
    Err(format!("negotiated {name} = {shown} is higher than the maximum allowed value ({offered})"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::BytesMut;
    use leveret_protocol::{FieldTable, FieldValue};

    use super::super::Settings;
    use super::*;
    use crate::broker::auth::sasl::Login;
    use crate::broker::message::MessageArena;

    const NOW: Timestamp = Timestamp::ZERO;

    fn settings(frame_max: u32, initial_frame_max: u32) -> Settings {
        Settings {
            mechanisms: vec![Mechanism::Plain],
            product: "Leveret".to_owned(),
            version: "0".to_owned(),
            cluster_name: "test".to_owned(),
            frame_max,
            initial_frame_max,
            channel_max: 2047,
            limits_channels: false,
            heartbeat: 60,
            handshake_timeout: Duration::from_secs(10),
            max_message_size: 1024,
            consumer_max_per_channel: None,
            default_prefetch: 0,
            qos_dynamic: false,
            channel_flow: crate::broker::connection::ChannelFlow::Auto,
        }
    }

    /// What a connection makes of a connection.start-ok with a method frame's payload of so many octets.
    fn first_frame(settings: Settings, octets: usize) -> Vec<Effect> {
        let mut input = BytesMut::from(&PROTOCOL_HEADER[..]);
        let mut start_ok = connection::StartOk {
            client_properties: FieldTable::default(),
            mechanism: ShortString::from_static("PLAIN"),
            response: "\0guest\0secret".into(),
            locale: ShortString::default(),
        };
        start_ok.client_properties.insert("token", FieldValue::text(""));
        let mut frame = BytesMut::new();
        Method::from(start_ok.clone()).write_frame(0, &mut frame);
        let missing = octets + 8 - frame.len();
        start_ok.client_properties = FieldTable::default();
        start_ok.client_properties.insert("token", FieldValue::text(&"x".repeat(missing)));
        Method::from(start_ok).write_frame(0, &mut input);
        let mut connection = Connection::new(Arc::new(settings), NOW);
        let mut effects = Vec::new();
        connection.receive(NOW, &input, &mut MessageArena::default(), &mut effects);
        assert!(matches!(effects.remove(0), Effect::Send { channel: 0, method: Method::Connection(_) }));
        effects
    }

    fn authenticates() -> Vec<Effect> {
        let login = Login::Password { user: "guest".into(), password: "secret".into() };
        vec![Effect::Authenticate { mechanism: Mechanism::Plain, login }]
    }

    fn is_refused(effects: &[Effect]) -> bool {
        matches!(effects, [Effect::Note(Note::HandshakeRefused(reason))] if reason.contains("frame_too_large"))
    }

    #[test]
    fn the_first_frame_may_be_as_large_as_those_on_offer() {
        assert_eq!(first_frame(settings(131_072, 8192), 131_072), authenticates());
        assert!(is_refused(&first_frame(settings(131_072, 8192), 131_073)));
    }

    #[test]
    fn the_first_frame_may_be_larger_than_later_ones_where_that_is_configured() {
        assert_eq!(first_frame(settings(8192, 200_000), 200_000), authenticates());
        assert!(is_refused(&first_frame(settings(8192, 200_000), 200_001)));
    }

    #[test]
    fn the_first_frame_has_a_bound_also_where_later_ones_have_none() {
        assert_eq!(first_frame(settings(0, 8192), 8192), authenticates());
        assert!(is_refused(&first_frame(settings(0, 8192), 8193)));
    }
}
