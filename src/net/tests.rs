//! The server over sockets: how it listens, how it ends, what a client leaves behind whose socket is half closed.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use leveret_protocol::{
    AmqpCodec, ContentHeader, Frame, Method, PROTOCOL_HEADER, Properties, ShortString, basic, channel, connection,
    queue,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_util::codec::Decoder as _;

use super::server::{self, ServerError};
use crate::config::Config;
use crate::serving::listen;

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

struct Client {
    socket: TcpStream,
    codec: AmqpCodec,
    read: BytesMut,
}

impl Client {
    /// A client that has channel 1 open.
    async fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        let mut client = Self { socket, codec: AmqpCodec::new(0), read: BytesMut::new() };
        client.socket.write_all(&PROTOCOL_HEADER).await.unwrap();
        let start_ok = connection::StartOk {
            mechanism: name("PLAIN"),
            response: Bytes::from_static(b"\0guest\0guest"),
            ..connection::StartOk::default()
        };
        client.call(0, start_ok).await;
        client.call(0, connection::TuneOk { channel_max: 10, frame_max: 8192, heartbeat: 0 }).await;
        client.call(0, connection::Open { virtual_host: name("/"), ..connection::Open::default() }).await;
        client.call(1, channel::Open::default()).await;
        while client.next().await != Some(method(1, channel::OpenOk::default())) {}
        client
    }

    async fn call(&mut self, channel: u16, method: impl Into<Method>) {
        let mut out = BytesMut::new();
        method.into().write_frame(channel, &mut out);
        self.socket.write_all(&out).await.unwrap();
    }

    async fn publish(&mut self, routing_key: &str) {
        self.publish_with(routing_key, Properties::default()).await;
    }

    async fn publish_persistent(&mut self, routing_key: &str) {
        self.publish_with(routing_key, Properties { delivery_mode: Some(2), ..Properties::default() }).await;
    }

    /// Whether what basic.get brings is redelivered, and how many messages are left.
    async fn got(&mut self) -> (bool, u32) {
        let frame = self.next().await;
        let Some(Frame::Method { method: Method::Basic(basic::Method::GetOk(got)), .. }) = frame else {
            panic!("{frame:?}")
        };
        assert!(matches!(self.next().await, Some(Frame::Header { .. })));
        (got.redelivered, got.message_count)
    }

    async fn publish_with(&mut self, routing_key: &str, properties: Properties) {
        let mut out = BytesMut::new();
        let publish = basic::Publish { routing_key: name(routing_key), ..basic::Publish::default() };
        Method::from(publish).write_frame(1, &mut out);
        ContentHeader::new(0, properties).write_frame(1, &mut out);
        self.socket.write_all(&out).await.unwrap();
    }

    /// The next frame; `None` when the server has closed the socket.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.read).unwrap() {
                return Some(frame);
            }
            if self.socket.read_buf(&mut self.read).await.unwrap() == 0 {
                return None;
            }
        }
    }
}

fn method(channel: u16, method: impl Into<Method>) -> Frame {
    Frame::Method { channel, method: method.into() }
}

fn listening_at(address: SocketAddr, data: &TempDir) -> Config {
    Config { listeners: vec![address], data_dir: data.path().to_owned(), ..Config::default() }
}

/// Runs `client` against a server, stops the server and waits for its end.
async fn with_server<F: Future<Output = ()>>(client: impl FnOnce(SocketAddr, oneshot::Sender<()>) -> F) {
    let data = tempfile::tempdir().unwrap();
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = server::bind(listening_at(any_port, &data)).await.unwrap();
    let address = server.local_addrs()[0];
    let (stop, stopped) = oneshot::channel();
    let serving = server.run_until(async {
        let _ = stopped.await;
    });
    let (served, ()) = tokio::join!(serving, client(address, stop));
    served.unwrap();
}

#[tokio::test]
async fn at_shutdown_a_client_is_told_why_and_the_server_waits_for_its_close_ok() {
    with_server(|address, stop| async move {
        let mut client = Client::open(address).await;
        stop.send(()).unwrap();
        let close = connection::Close {
            reply_code: 320,
            reply_text: name("CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"),
            class_id: 0,
            method_id: 0,
        };
        assert_eq!(client.next().await, Some(method(0, close)));
        // No more connections are taken meanwhile.
        assert!(TcpStream::connect(address).await.is_err());
        client.call(0, connection::CloseOk {}).await;
        assert_eq!(client.next().await, None);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_answer_at_shutdown_is_hung_up_on_and_the_stop_is_in_order() {
    let data = tempfile::tempdir().unwrap();
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut server = server::bind(listening_at(any_port, &data)).await.unwrap();
    server.patience = Duration::from_millis(1);
    let address = server.local_addrs()[0];
    let get = basic::Get { queue: name("q"), ..basic::Get::default() };
    let (stop, stopped) = oneshot::channel();
    let serving = server.run_until(async {
        let _ = stopped.await;
    });
    let silent = async {
        let mut client = Client::open(address).await;
        client.call(1, queue::Declare { queue: name("q"), durable: true, nowait: true, ..Default::default() }).await;
        client.publish_persistent("q").await;
        client.publish_persistent("q").await;
        client.call(1, get.clone()).await;
        assert_eq!(client.got().await, (false, 1));
        stop.send(()).unwrap();
        client
    };
    let (served, _silent) = tokio::join!(serving, silent);
    served.unwrap();
    let server = server::bind(listening_at(any_port, &data)).await.unwrap();
    let address = server.local_addrs()[0];
    let (stop, stopped) = oneshot::channel();
    let serving = server.run_until(async {
        let _ = stopped.await;
    });
    let later = async {
        let mut client = Client::open(address).await;
        for expected in [(true, 1), (false, 0)] {
            client.call(1, get.clone()).await;
            assert_eq!(client.got().await, expected, "only what was delivered is redelivered");
        }
        drop(client);
        stop.send(()).unwrap();
    };
    let (served, ()) = tokio::join!(serving, later);
    served.unwrap();
}

#[tokio::test]
async fn a_client_that_closes_its_side_of_the_socket_is_gone_with_all_it_held() {
    with_server(|address, stop| async move {
        let mut client = Client::open(address).await;
        let queue = queue::Declare { queue: name("q"), nowait: true, ..queue::Declare::default() };
        let exclusive = queue::Declare { queue: name("mine"), exclusive: true, nowait: false, ..queue.clone() };
        let declared = |queue| queue::DeclareOk { queue: name(queue), message_count: 0, consumer_count: 0 };
        client.call(1, queue).await;
        client.call(1, exclusive.clone()).await;
        assert_eq!(client.next().await, Some(method(1, declared("mine"))));
        client.publish("q").await;
        let consume = basic::Consume { queue: name("q"), nowait: true, ..basic::Consume::default() };
        client.call(1, consume).await;
        let delivery = client.next().await;
        assert!(
            matches!(&delivery, Some(Frame::Method { method: Method::Basic(basic::Method::Deliver(_)), .. })),
            "{delivery:?}"
        );
        client.socket.shutdown().await.unwrap();
        // The rest of the delivery, then the end without a word.
        assert!(matches!(client.next().await, Some(Frame::Header { .. })));
        assert_eq!(client.next().await, None);

        let mut other = Client::open(address).await;
        other.call(1, exclusive).await;
        assert_eq!(other.next().await, Some(method(1, declared("mine"))));
        other.call(1, basic::Get { queue: name("q"), ..basic::Get::default() }).await;
        let got = basic::GetOk {
            delivery_tag: 1,
            redelivered: true,
            exchange: name(""),
            routing_key: name("q"),
            message_count: 0,
        };
        assert_eq!(other.next().await, Some(method(1, got)));
        drop(other);
        stop.send(()).unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = taken.local_addr().unwrap();
    let data = tempfile::tempdir().unwrap();
    let error = server::bind(listening_at(address, &data)).await.unwrap_err();
    assert!(matches!(error, ServerError::Listen { .. }));
    assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")), "{error}");
}

#[tokio::test]
async fn an_unspecified_ipv6_address_takes_ipv4_too() {
    let listener = listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)), 16).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (connected, accepted) = tokio::join!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)), listener.accept());
    connected.unwrap();
    let (_, peer) = accepted.unwrap();
    assert!(peer.ip().to_canonical().is_ipv4());
}
