//! What the access point reads of a frame: to whom it is.

use super::medium::{Destination, StationId};

/// An Ethernet address.
pub(crate) type Mac = [u8; 6];

const HEADER_BYTES: usize = 14;
const TYPE_ARP: u16 = 0x0806;
const TYPE_IPV6: u16 = 0x86dd;
/// Multicast addresses of IPv6's solicited nodes begin so (RFC 2464, section 7; RFC 4291, section
/// 2.7.1).
const SOLICITED_NODE: [u8; 3] = [0x33, 0x33, 0xff];
/// Locally administered; the four bytes that follow are the station's address.
const PREFIX: [u8; 2] = [0x02, 0x00];

/// Returns the Ethernet address of the station with this IPv4 address.
pub(crate) fn mac_of(address: std::net::Ipv4Addr) -> Mac {
    let [a, b, c, d] = address.octets();
    [PREFIX[0], PREFIX[1], a, b, c, d]
}

/// Returns to whom a frame is; `None` if it is to nobody on this air or not a frame.
pub(crate) fn destination(frame: &[u8], stations: &[Mac]) -> Option<Destination> {
    if frame.len() < HEADER_BYTES {
        return None;
    }
    let mac: Mac = frame.get(..6)?.try_into().ok()?;
    if mac[0] & 1 == 0 {
        let number = stations.iter().position(|station| *station == mac)?;
        return Some(Destination::Station(StationId(number)));
    }
    let kind = u16::from_be_bytes(frame.get(12..14)?.try_into().ok()?);
    let finds_addresses = kind == TYPE_ARP || kind == TYPE_IPV6 && mac[..3] == SOLICITED_NODE;
    Some(Destination::Group { finds_addresses })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(to: Mac, kind: u16) -> Vec<u8> {
        let mut frame = to.to_vec();
        frame.extend(mac_of([10, 42, 0, 2].into()));
        frame.extend(kind.to_be_bytes());
        frame
    }

    #[test]
    fn a_frame_is_to_a_station_to_all_or_to_nobody() {
        let stations = [mac_of([10, 42, 0, 2].into()), mac_of([10, 42, 0, 3].into())];
        let to = |frame: &[u8]| destination(frame, &stations);
        assert_eq!(to(&frame(stations[1], 0x0800)), Some(Destination::Station(StationId(1))));
        assert_eq!(to(&frame(mac_of([10, 42, 0, 9].into()), 0x0800)), None);
        let multicast = [0x01, 0x00, 0x5e, 0x7f, 0x4a, 0x53];
        assert_eq!(to(&frame(multicast, 0x0800)), Some(Destination::Group { finds_addresses: false }));
        assert_eq!(to(&frame([0xff; 6], 0x0806)), Some(Destination::Group { finds_addresses: true }));
        assert_eq!(to(&frame([0x33, 0x33, 0xff, 0, 0, 1], 0x86dd)), Some(Destination::Group { finds_addresses: true }));
        assert_eq!(to(&stations[1]), None);
    }
}
