//! How many connections there may be, in all and for one address. Pure.
//!
//! When all places are taken, a newcomer takes that of the address that has most: somebody who opens
//! hundreds of connections competes with himself. A machine can have as many addresses of its IPv6
//! network as it likes, but everybody on a local network shares that network: so every address counts
//! for itself, and all of a network together can take no more than half of the places.

use std::net::{IpAddr, Ipv6Addr};

/// Connections in all.
pub const MOST: usize = 96;
/// Connections of an address. A browser opens up to six, and a phone may have two browsers.
pub const MOST_OF_AN_ADDRESS: usize = 12;

/// Connections of an IPv6 network of 64 bits, such as a local network or `fe80::/64`: those of four
/// greedy addresses, so that there is room for IPv4 however many addresses somebody makes up.
pub const MOST_OF_A_NETWORK: usize = 4 * MOST_OF_AN_ADDRESS;

/// Returns the network that an address belongs to: the first 64 bits of an IPv6 address. An IPv4
/// address, of which a machine rarely has many, stands for itself.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
        address => address,
    }
}

/// The places that are taken, the longest first.
#[derive(Debug, Default)]
pub struct Places(Vec<(u64, IpAddr)>);

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is served.
    Served,
    /// It is served, and this one ends for it.
    InsteadOf(u64),
    /// It is closed.
    Refused,
}

impl Places {
    /// Decides about a new connection, which has a number of its own.
    pub fn admit(&mut self, number: u64, from: IpAddr) -> Admission {
        let address = from.to_canonical();
        let of = |address: &IpAddr| self.0.iter().filter(|(_, other)| other == address).count();
        let own = of(&address);
        if own >= MOST_OF_AN_ADDRESS {
            return Admission::Refused;
        }
        let is_near = |other: &IpAddr| network(*other) == network(address);
        let is_network_full = self.0.iter().filter(|(_, other)| is_near(other)).count() >= MOST_OF_A_NETWORK;
        let mut admission = Admission::Served;
        if is_network_full || self.0.len() >= MOST {
            // Where its network has all that it can have, room is made there.
            let others = self.0.iter().filter(|(_, other)| !is_network_full || is_near(other));
            let greediest = others.map(|(_, address)| (of(address), *address)).max_by_key(|(count, _)| *count);
            let Some((count, greediest)) = greediest else { return Admission::Refused };
            if count <= own + 1 {
                return Admission::Refused;
            }
            let Some(index) = self.0.iter().position(|(_, address)| *address == greediest) else {
                return Admission::Refused;
            };
            admission = Admission::InsteadOf(self.0.remove(index).0);
        }
        self.0.push((number, address));
        admission
    }

    /// Gives a place back; one that was taken away has none.
    pub fn leave(&mut self, number: u64) {
        self.0.retain(|(taken, _)| *taken != number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(0x0a2a_0000 + number).into()
    }

    #[test]
    fn an_address_has_a_dozen_places_and_a_newcomer_gets_one_of_the_greediest() {
        let mut places = Places::default();
        let served = (0..200).filter(|number| places.admit(*number, address(1)) == Admission::Served).count();
        assert_eq!(served, MOST_OF_AN_ADDRESS);
        for number in 200..400 {
            places.admit(number, address(2 + (number as u32) % 7));
        }
        assert_eq!(places.0.len(), MOST);
        assert!(matches!(places.admit(500, address(100)), Admission::InsteadOf(_)));
        assert_eq!(places.0.len(), MOST);
    }

    #[test]
    fn where_all_have_one_nobody_loses_it() {
        let mut places = Places::default();
        for number in 0..MOST as u64 {
            assert_eq!(places.admit(number, address(number as u32)), Admission::Served);
        }
        assert_eq!(places.admit(500, address(500)), Admission::Refused);
        places.leave(3);
        assert_eq!(places.admit(501, address(500)), Admission::Served);
    }

    fn address_6(network: u16, host: u16) -> IpAddr {
        Ipv6Addr::new(0xfd00, 0, 0, network, 0, 0, 0, host).into()
    }

    #[test]
    fn phones_of_an_ipv6_network_have_places_of_their_own_and_together_half_of_all() {
        let mut places = Places::default();
        let served = (0..200).filter(|number| places.admit(*number, address_6(1, 1)) == Admission::Served).count();
        assert_eq!(served, MOST_OF_AN_ADDRESS);
        for number in 200..203 {
            let phone = address_6(1, number as u16);
            assert_eq!(places.admit(number, phone), Admission::Served, "another phone of the same network");
        }
        // One machine, and an address for every connection.
        for number in 300..900_u64 {
            places.admit(number, address_6(1, number as u16));
        }
        let of_network = |places: &Places| places.0.iter().filter(|(_, other)| other.is_ipv6()).count();
        assert_eq!(of_network(&places), MOST_OF_A_NETWORK);
        assert_eq!(places.admit(1000, address(1)), Admission::Served, "IPv4");
        assert_eq!(places.admit(1001, address_6(2, 1)), Admission::Served, "another network");
        // An IPv4 address that came through an IPv6 socket is that IPv4 address.
        let mapped = |number: u8| Ipv4Addr::new(10, 42, 0, number).to_ipv6_mapped().into();
        let mut places = Places::default();
        for number in 0..MOST as u64 {
            assert_eq!(places.admit(number, mapped((number / 12) as u8)), Admission::Served);
        }
    }

    proptest! {
        #[test]
        fn the_limits_hold_and_the_first_connection_of_an_address_is_served(
            steps in prop::collection::vec((0_u32..20, prop::option::of(0_u64..100)), 1..500),
        ) {
            let mut places = Places::default();
            for (number, (from, leaves)) in steps.into_iter().enumerate() {
                let has_none = !places.0.iter().any(|(_, other)| *other == address(from));
                let admission = places.admit(number as u64, address(from));
                // Fewer addresses than places: somebody has more than one.
                prop_assert!(!has_none || admission != Admission::Refused);
                prop_assert!(places.0.len() <= MOST);
                if let Some(leaves) = leaves {
                    places.leave(leaves);
                }
            }
        }
    }
}
