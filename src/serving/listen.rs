//! Listening sockets: an unspecified IPv6 address takes IPv4 too, and stands for IPv4 alone where there is no IPv6.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Opens a listening socket. An unspecified IPv6 address stands for both IPv6 and IPv4; port 0 lets the system choose.
///
/// # Errors
/// What the system says.
pub fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    match open(address, backlog) {
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() && no_ipv6(&error) => {
            open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())), backlog)
        }
        listener => listener,
    }
}

fn open(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

fn no_ipv6(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(ADDRESS_FAMILY_NOT_SUPPORTED)
}

/// EAFNOSUPPORT on Linux, for which std has no kind.
const ADDRESS_FAMILY_NOT_SUPPORTED: i32 = 97;
