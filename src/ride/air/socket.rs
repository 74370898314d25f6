//! The UDP socket: datagrams with the kernel's stamps, out of a chosen interface.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use jaudiosync_time::{Instant, Span, Utc};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{
    IpAddMembership, IpDropMembership, IpMulticastLoop, IpMulticastTtl, Ipv4PacketInfo, Ipv4Tos, ReceiveTimestampns,
};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, IpMembershipRequest, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
};
use nix::sys::time::TimeSpec;

use super::GROUP;
use super::interfaces::Interface;

/// DSCP AF41 (RFC 4594, section 4.3) in the upper six bits: Wi-Fi sends it before bulk data (WMM's
/// category for video, which also has the shorter queue).
const TRAFFIC_CLASS: i32 = 34 << 2;

/// The group is for the own network alone.
const TIME_TO_LIVE: u8 = 1;

/// A datagram that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Received {
    /// Its length; if it is longer than the buffer, that of the buffer.
    pub bytes: usize,
    /// Where it came from.
    pub from: SocketAddr,
    /// Whether it was sent to the group, and not to this box alone.
    pub is_to_group: bool,
    /// What the system clock showed when it came, if the kernel says so.
    pub stamp: Option<Instant<Utc>>,
}

/// The socket.
#[derive(Debug)]
pub(super) struct RideSocket {
    socket: UdpSocket,
    /// Space for the stamp and the address.
    control: Vec<u8>,
}

impl RideSocket {
    /// Opens the socket on a port of all interfaces; 0 for any port.
    pub(super) fn open(port: u16) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, IpMulticastTtl, &TIME_TO_LIVE)?;
        // The box itself has no use for what it sends.
        setsockopt(&socket, IpMulticastLoop, &false)?;
        // Without these it works as well, only less exactly, or with less to say to people.
        for done in [
            setsockopt(&socket, ReceiveTimestampns, &true),
            setsockopt(&socket, Ipv4Tos, &TRAFFIC_CLASS),
            setsockopt(&socket, Ipv4PacketInfo, &true),
        ] {
            if let Err(error) = done {
                log::info!("the ride's socket: {error}");
            }
        }
        Ok(Self { socket, control: cmsg_space!(TimeSpec, libc::in_pktinfo) })
    }

    /// Joins the group on an interface. It is not an error if that was done before.
    pub(super) fn join(&self, interface: &Interface) -> io::Result<()> {
        match setsockopt(&self.socket, IpAddMembership, &IpMembershipRequest::new(GROUP, Some(interface.address))) {
            Err(Errno::EADDRINUSE) => Ok(()),
            done => Ok(done?),
        }
    }

    /// Leaves the group on an interface, even on one that has gone: the kernel would count it among
    /// those that a socket may have joined.
    pub(super) fn leave(&self, interface: &Interface) {
        let request = IpMembershipRequest::new(GROUP, Some(interface.address));
        if let Err(error) = setsockopt(&self.socket, IpDropMembership, &request) {
            log::debug!("{}: cannot leave the group: {error}", interface.name);
        }
    }

    /// Sends to the group, out of this interface and from its address.
    pub(super) fn multicast(&self, bytes: &[u8], port: u16, interface: &Interface) -> io::Result<()> {
        let information = libc::in_pktinfo {
            ipi_ifindex: i32::try_from(interface.index).unwrap_or(0),
            ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(interface.address.octets()) },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        self.send(bytes, SocketAddrV4::new(GROUP, port), &[ControlMessage::Ipv4PacketInfo(&information)])
    }

    /// Sends to one address, as the routes say.
    pub(super) fn unicast(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        match to {
            SocketAddr::V4(to) => self.send(bytes, to, &[]),
            SocketAddr::V6(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn send(&self, bytes: &[u8], to: SocketAddrV4, control: &[ControlMessage<'_>]) -> io::Result<()> {
        let to = SockaddrIn::from(to);
        sendmsg(self.socket.as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::MSG_DONTWAIT, Some(&to))?;
        Ok(())
    }

    /// Takes a datagram that has come; `None` if there is none.
    ///
    /// # Errors
    /// When the network reports one; the next datagram may be received all the same.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<SockaddrIn>(self.socket.as_raw_fd(), &mut parts, Some(&mut self.control), flags);
        let message = match message {
            Ok(message) => message,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (mut stamp, mut is_to_group) = (None, false);
        for part in message.cmsgs().into_iter().flatten() {
            match part {
                ControlMessageOwned::ScmTimestampns(time) => stamp = Some(time),
                ControlMessageOwned::Ipv4PacketInfo(information) => {
                    is_to_group = information.ipi_addr.s_addr == u32::from_ne_bytes(GROUP.octets());
                }
                _ => {}
            }
        }
        // The fields of the stamp have other types on 32-bit systems; those of a duration are fixed.
        let stamp = stamp.map(|time| Instant::ZERO + Span::from_duration(Duration::from(time)));
        let Some(from) = message.address.map(|from| SocketAddr::from((from.ip(), from.port()))) else {
            return Err(Errno::EDESTADDRREQ.into());
        };
        Ok(Some(Received { bytes: message.bytes, from, is_to_group, stamp }))
    }

    /// Waits for a datagram, at most this long. It may also return earlier.
    pub(super) fn wait(&self, at_most: Span) {
        let wait_ms = (at_most.ns().max(0) as u64).div_ceil(1_000_000);
        let timeout = PollTimeout::try_from(wait_ms).unwrap_or(PollTimeout::MAX);
        // An interrupted wait is one that returns earlier.
        let _ = poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], timeout);
    }

    /// Returns the port.
    pub(super) fn port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }
}
