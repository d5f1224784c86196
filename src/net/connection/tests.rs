//! A connection whose peer does not read, or goes away, and what an idle one takes.

use std::net::{Ipv4Addr, Shutdown};

use leveret_protocol::{PROTOCOL_HEADER, frame};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::config::Config;

/// A connection on its way, and its peer's end.
async fn pair() -> (Served, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, address) = listener.accept().await.unwrap();
    let node = Arc::new(Node::new(&Config::default()).unwrap());
    (Served::new(socket, Session::open(&node, address)), peer)
}

#[tokio::test]
async fn the_task_of_an_idle_connection_is_small() {
    let (served, _peer) = pair().await;
    let node = Arc::new(Node::new(&Config::default()).unwrap());
    let peer = served.socket.peer_addr().unwrap();
    let task = serve(served.socket, peer, node, CancellationToken::new());
    // Its channels and what the client tells of itself come to about 1.5 KiB more.
    assert!(size_of_val(&task) <= 2048, "{} octets", size_of_val(&task));
}

/// Leaves so much unsent that the peer is not read from.
fn hold_up(served: &mut Served) -> usize {
    served.unsent = BytesMut::from(frame::HEARTBEAT.repeat(UNREAD_LIMIT / frame::HEARTBEAT.len()).as_slice());
    served.unsent.len()
}

#[tokio::test]
async fn what_a_held_up_peer_says_is_seen_at_once_and_handled_later() {
    let (mut served, mut peer) = pair().await;
    let owed = hold_up(&mut served);
    peer.try_write(&PROTOCOL_HEADER).unwrap();
    served.socket.readable().await.unwrap();
    served.look_for_life();
    assert_eq!((&served.partial[..], served.held, served.lost), (&PROTOCOL_HEADER[..], true, false));
    // Nothing more comes, but what was said is answered: with connection.start, a method frame on channel 0.
    let mut answer = vec![0; owed + 11];
    let reading = peer.read_exact(&mut answer);
    let serving = async {
        while !matches!(served.turn(), Turn::Wait) || !served.reads() || served.held {
            served.socket.writable().await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        read = reading => assert_eq!(read.unwrap(), owed + 11),
        () = serving => {}
    }
    assert_eq!(answer[owed..owed + 3], [1, 0, 0]);
    assert_eq!(answer[owed + 7..], [0, 10, 0, 10], "connection.start");
}

#[tokio::test]
async fn a_held_up_peer_that_has_closed_its_side_is_lost() {
    let (mut served, peer) = pair().await;
    hold_up(&mut served);
    let peer = peer.into_std().unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    served.socket.readable().await.unwrap();
    served.look_for_life();
    assert!(served.lost);
    assert!(matches!(served.turn(), Turn::End));
}

#[tokio::test]
async fn what_is_kept_of_a_held_up_peer_is_bounded() {
    let (mut served, peer) = pair().await;
    hold_up(&mut served);
    let said = vec![8; 32 * UNHANDLED_LIMIT];
    let mut rest = &said[..];
    while served.partial.len() < UNHANDLED_LIMIT {
        if let Ok(length) = peer.try_write(rest) {
            rest = &rest[length..];
        }
        served.socket.readable().await.unwrap();
        served.look_for_life();
    }
    let kept = served.partial.len();
    served.look_for_life();
    assert_eq!(served.partial.len(), kept);
    assert!(kept < UNHANDLED_LIMIT + SIGN_OF_LIFE);
}
