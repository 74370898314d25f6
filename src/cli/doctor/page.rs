//! Asks for the page as a phone does.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::config::Page;
use crate::doctor::checks::PageSeen;

/// A box answers itself within some ms.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the page has, and hardly anything else that may be served on port 80.
const PATH: &str = "/manifest.webmanifest";
const MEDIA_TYPE: &str = "application/manifest+json";

/// Bytes of the answer's head that are read.
const MOST_BYTES: u64 = 4096;

/// Returns what is known about the page, of a box with a ride's key whose service runs.
pub(super) fn read(config: &Page) -> PageSeen {
    if !config.enabled {
        return PageSeen::Off;
    }
    let address = address(config.listen.0);
    PageSeen::On { address, answer: is_page(address) }
}

/// Returns where this machine reaches what listens there.
fn address(listen: Option<SocketAddr>) -> SocketAddr {
    let mut address = listen.unwrap_or((Ipv4Addr::LOCALHOST, 80).into());
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn is_page(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("HEAD {PATH} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut head)?;
    let head = String::from_utf8_lossy(&head).to_lowercase();
    Ok(head.starts_with("http/1.1 200") && head.contains(MEDIA_TYPE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_for_where_it_listens() {
        let of = |listen: &str| address(Some(listen.parse().unwrap())).to_string();
        assert_eq!(address(None).to_string(), "127.0.0.1:80");
        assert_eq!(of("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(of("[::]:8080"), "[::1]:8080");
        assert_eq!(of("10.42.0.1:80"), "10.42.0.1:80");
    }
}
