//! The handshake: protocol header, SASL PLAIN, limits, vhost (AMQP 0-9-1 2.2.4).

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use leveret_protocol::frame::FRAME_MIN_SIZE;
use leveret_protocol::{FieldTable, FieldValue, Method, PROTOCOL_HEADER, ReplyCode, ShortString, connection};
use tokio::net::TcpStream;

use super::Client;
use super::input::{FRAME_MAX, Input};
use crate::cli::perf::error::PerfError;
use crate::cli::perf::uri::AmqpUri;

pub(super) async fn connect(uri: &Arc<AmqpUri>) -> Result<Client, PerfError> {
    let refused = |source| PerfError::Connect { uri: Arc::clone(uri), source };
    let stream = TcpStream::connect((uri.host.as_str(), uri.port)).await.map_err(refused)?;
    stream.set_nodelay(true).map_err(refused)?;
    let mut client = Client {
        stream,
        input: Input::new(),
        out: BytesMut::from(&PROTOCOL_HEADER[..]),
        frame_max: FRAME_MAX,
        uri: Arc::clone(uri),
        product: String::new(),
    };
    let start = client.begin().await?;
    client.product = product(&start.server_properties);
    client.log_in(&start).await?;
    client.open_vhost().await?;
    Ok(client)
}

impl Client {
    async fn begin(&mut self) -> Result<connection::Start, PerfError> {
        let method = match self.answer(0).await {
            Ok(method) => method,
            // Another version of the protocol, or another protocol.
            Err(PerfError::Frame(_)) => return Err(self.no_broker(&self.greeting())),
            Err(PerfError::Lost { source, .. }) if source.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.no_broker(&format!("it hung up after {}", self.greeting())));
            }
            Err(error) => return Err(error),
        };
        if let Method::Connection(connection::Method::Start(start)) = method {
            return Ok(start);
        }
        Err(self.no_broker(method.name()))
    }

    fn greeting(&self) -> String {
        let octets = self.input.peek();
        let shown = octets.get(..octets.len().min(16)).unwrap_or_default();
        if shown.is_empty() { "nothing".to_owned() } else { format!("'{}'", shown.escape_ascii()) }
    }

    fn no_broker(&self, what: &str) -> PerfError {
        PerfError::Handshake { uri: Arc::clone(&self.uri), what: what.to_owned() }
    }

    async fn log_in(&mut self, start: &connection::Start) -> Result<(), PerfError> {
        if !start.mechanisms.split(|&octet| octet == b' ').any(|mechanism| mechanism == b"PLAIN") {
            let mechanisms = String::from_utf8_lossy(&start.mechanisms).into_owned();
            return Err(self.no_broker(&format!("it does not offer the mechanism PLAIN but {mechanisms}")));
        }
        let response = format!("\0{}\0{}", self.uri.user, self.uri.password);
        let start_ok = connection::StartOk {
            client_properties: client_properties(),
            mechanism: ShortString::from_static("PLAIN"),
            response: Bytes::from(response),
            locale: ShortString::from_static("en_US"),
        };
        let method = match self.call(0, start_ok).await {
            Ok(method) => method,
            Err(error) => return Err(self.refusal(error)),
        };
        let Method::Connection(connection::Method::Tune(tune)) = method else {
            return Err(PerfError::Unexpected(method.name().to_owned()));
        };
        self.frame_max = if tune.frame_max == 0 { FRAME_MAX } else { tune.frame_max.clamp(FRAME_MIN_SIZE, FRAME_MAX) };
        // No heartbeats: a run has its own end, and what the broker does not answer shows in the figures.
        let tune_ok = connection::TuneOk { channel_max: tune.channel_max, frame_max: self.frame_max, heartbeat: 0 };
        self.send(0, tune_ok);
        Ok(())
    }

    /// RabbitMQ closes with 403; brokers that do not know that extension just hang up (AMQP 0-9-1 2.2.4).
    fn refusal(&self, error: PerfError) -> PerfError {
        let uri = Arc::clone(&self.uri);
        if let PerfError::ConnectionClosed { code, text, .. } = &error
            && *code == ReplyCode::AccessRefused.code()
        {
            return PerfError::Login { uri, text: format!("{code} {text}") };
        }
        if let PerfError::Lost { source, .. } = &error
            && source.kind() == io::ErrorKind::UnexpectedEof
        {
            return PerfError::Login { uri, text: "it hung up".to_owned() };
        }
        error
    }

    async fn open_vhost(&mut self) -> Result<(), PerfError> {
        let virtual_host = ShortString::new(&self.uri.vhost)
            .map_err(|error| PerfError::Usage(format!("the vhost in {} is too long: {error}", self.uri)))?;
        self.call(0, connection::Open { virtual_host, ..connection::Open::default() }).await.map(drop)
    }
}

fn product(server_properties: &FieldTable) -> String {
    let text = |name| match server_properties.get(name) {
        Some(FieldValue::LongString(text)) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    };
    format!("{} {}", text("product"), text("version")).trim().to_owned()
}

fn client_properties() -> FieldTable {
    let mut capabilities = FieldTable::new();
    for name in [
        "publisher_confirms",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "authentication_failure_close",
    ] {
        capabilities.insert(name, FieldValue::Bool(true));
    }
    let mut properties = FieldTable::new();
    properties.insert("product", FieldValue::text("leveret perf"));
    properties.insert("version", FieldValue::text(env!("CARGO_PKG_VERSION")));
    properties.insert("connection_name", FieldValue::text("leveret perf"));
    properties.insert("capabilities", FieldValue::Table(capabilities));
    properties
}
