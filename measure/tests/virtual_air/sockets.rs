//! Outside oracles: UDP sockets on stations, with the kernel's own receive stamps.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jaudiosync_measure::air::Station;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};

pub const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 74, 83);
pub const PORT: u16 = 7483;

/// A datagram as it was received.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    pub number: u32,
    /// From the call that sent it to the kernel's stamp.
    pub delay: Duration,
    /// The kernel's stamp, since 1970.
    pub stamp: Duration,
}

/// Opens a socket of the station that hears the group, and reads with a timeout.
pub fn socket(station: &Station, timeout: Duration) -> UdpSocket {
    let address = station.address();
    let open = move || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).unwrap();
        socket.join_multicast_v4(&GROUP, &address).unwrap();
        socket.set_multicast_loop_v4(false).unwrap();
        socket.set_read_timeout(Some(timeout)).unwrap();
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
        setsockopt(&socket, sockopt::RcvBuf, &1_000_000).unwrap();
        socket
    };
    station.inside(open).unwrap()
}

pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Sends a datagram of 200 bytes with a number and the time.
pub fn send(socket: &UdpSocket, to: Ipv4Addr, number: u32) {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend((now().as_nanos() as u64).to_be_bytes());
    bytes.resize(200, 0);
    socket.send_to(&bytes, (to, PORT)).unwrap();
}

/// Receives the next datagram; `None` if there is none within the socket's timeout.
pub fn receive(socket: &UdpSocket) -> Option<Received> {
    let mut bytes = [0; 512];
    let mut space = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty()).ok()?;
    let stamp = message.cmsgs().unwrap().find_map(|part| match part {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
        _ => None,
    });
    let stamp = stamp.expect("the kernel stamps it");
    let number = u32::from_be_bytes(bytes[..4].try_into().unwrap());
    let sent = Duration::from_nanos(u64::from_be_bytes(bytes[4..12].try_into().unwrap()));
    Some(Received { number, delay: stamp.saturating_sub(sent), stamp })
}

/// Returns whether one of the datagrams arrives that are sent for a second or so.
pub fn hears(from: &UdpSocket, to: Ipv4Addr, at: &UdpSocket) -> bool {
    at.set_nonblocking(true).unwrap();
    while receive(at).is_some() {}
    at.set_nonblocking(false).unwrap();
    at.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    // Numbers of its own: what another call sent may still be under way.
    let first = fastrand::u32(1_000_000..);
    (0..25).any(|number| {
        // Without an address it cannot even send.
        let mut bytes = (first + number).to_be_bytes().to_vec();
        bytes.resize(200, 0);
        let _ = from.send_to(&bytes, SocketAddrV4::new(to, PORT));
        receive(at).is_some_and(|received| received.number >= first && received.number <= first + number)
    })
}
