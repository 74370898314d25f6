//! How many connections there may be, in all and for one address. Pure.
//!
//! When all places are taken, a newcomer takes that of the address that has most: somebody who opens
//! hundreds of connections competes with himself.

use std::net::{IpAddr, Ipv6Addr};

/// Connections in all.
pub const MOST: usize = 96;
/// Connections of an address. A browser opens up to six, and a phone may have two browsers.
pub const MOST_OF_AN_ADDRESS: usize = 12;

/// Returns what counts as one address: an IPv4 address, or a network of IPv6 of 64 bits, of which a
/// machine can have all.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
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
        let address = network(from);
        let of = |address: &IpAddr| self.0.iter().filter(|(_, other)| other == address).count();
        let own = of(&address);
        if own >= MOST_OF_AN_ADDRESS {
            return Admission::Refused;
        }
        let mut admission = Admission::Served;
        if self.0.len() >= MOST {
            let greediest = self.0.iter().map(|(_, address)| (of(address), *address)).max_by_key(|(count, _)| *count);
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
