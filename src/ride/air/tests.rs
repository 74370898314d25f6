use std::net::UdpSocket;

use jaudiosync_hw::clocks::MachineClocks;

use super::*;
use crate::ride::key::RideKey;
use crate::ride::message::{BoxId, Content, Message, Question, RunId, seal};

fn air(neighbours: &[&str]) -> Air {
    let neighbours = neighbours.iter().map(|text| text.parse().unwrap()).collect();
    Air::open(&AirConfig { port: 0, neighbours }, Arc::new(MachineClocks)).unwrap()
}

fn message() -> Vec<u8> {
    let content = Content::Question(Question { to: BoxId(1), nonce: 2 });
    seal(&Message { sender: BoxId(3), run: RunId(4), number: 5, content }, &RideKey::generate().unwrap()).unwrap()
}

fn local(air: &Air) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, air.port()).into()
}

fn in_10_s() -> Instant<Raw> {
    MachineClocks.raw() + Span::from_seconds(10)
}

#[test]
fn a_datagram_to_one_box_is_heard_and_answered() {
    let (mut one, mut other) = (air(&[]), air(&[]));
    let sent = one.send(&message(), To::One(local(&other))).unwrap();
    let heard = other.recv(in_10_s()).unwrap();
    assert!(heard.bytes.starts_with(b"JAuS") && heard.stamp >= sent, "{heard:?} {sent:?}");
    assert_eq!(heard.from, local(&one));
    other.send(&message(), To::One(heard.from)).unwrap();
    assert_eq!(one.recv(in_10_s()).unwrap().from, local(&other));
    assert_eq!((one.counts().sent, one.counts().heard, one.trouble()), (1, 1, None));
}

#[test]
fn a_configured_neighbour_is_known_by_its_address() {
    let mut other = air(&[]);
    let mut one = air(&[&local(&other).to_string()]);
    assert_eq!(one.configured(), [local(&other)]);
    let to = one.configured()[0];
    one.send(&message(), To::One(to)).unwrap();
    assert_eq!(other.recv(in_10_s()).unwrap().from.port(), one.port());
}

#[test]
fn what_is_no_message_is_dropped_and_counted() {
    let mut air = air(&[]);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let too_long = [&message()[..], &[0; MAX_DATAGRAM_BYTES]].concat();
    for foreign in [&b""[..], b"JAuS", b"GET / HTTP/1.1\r\n\r\n and more", &too_long] {
        sender.send_to(foreign, local(&air)).unwrap();
    }
    sender.send_to(&message(), local(&air)).unwrap();
    assert_eq!(air.recv(in_10_s()).unwrap().from, sender.local_addr().unwrap());
    assert_eq!((air.counts().foreign, air.counts().heard), (4, 1));
    assert_eq!(air.recv(Instant::ZERO), None, "a deadline in the past only takes what has come");
}

#[test]
fn a_flood_of_strangers_is_dropped_and_a_neighbour_s_is_not() {
    let mut air = air(&[]);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let message = message();
    let burst = |air: &mut Air| {
        for _ in 0..100 {
            sender.send_to(&message, local(air)).unwrap();
        }
        std::iter::from_fn(|| air.recv(Instant::ZERO)).count()
    };
    // A few more at each look if the machine is slow.
    let heard = burst(&mut air);
    assert!((20..60).contains(&heard), "{heard}");
    assert_eq!(air.counts().flood, 100 - heard as u64);
    air.authentic(sender.local_addr().unwrap());
    assert_eq!(burst(&mut air), 100);
}

#[test]
fn nothing_that_fails_is_more_than_counted() {
    let mut air = air(&[]);
    let error = air.send(&message(), To::One("[::1]:9".parse().unwrap())).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(air.send(&vec![0; 70_000], To::One(local(&air))).is_err(), "too long for a datagram");
    assert_eq!(air.counts().failed, 2);
    assert!(air.trouble().unwrap().contains("nothing can be sent there"), "{:?}", air.trouble());
    let taken = AirConfig { port: air.port(), neighbours: Vec::new() };
    let error = Air::open(&taken, Arc::new(MachineClocks)).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&format!("UDP port {}", taken.port)), "{error}");
}

#[test]
fn a_firewall_and_a_sandbox_are_named() {
    let words = |errno: Errno| in_words(Act::Multicast, &errno.into());
    assert!(words(Errno::EPERM).contains("firewall") && !words(Errno::ENOBUFS).contains("firewall"));
    assert!(words(Errno::EAFNOSUPPORT).contains("AF_NETLINK"));
}
