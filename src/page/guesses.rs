//! How often a PIN may be guessed. Pure; time is an argument.
//!
//! A PIN has six digits. Each address may be wrong three times; then it waits longer after every
//! further guess. All addresses together have a budget, as one person can have many addresses. It is
//! also what bounds the addresses of an IPv6 network, of which a machine can have any number: were
//! they counted as one, a single guesser would make everybody on the local network wait.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// An address may be wrong this often before it has to wait.
const FREE: u32 = 3;
/// The wait after that, which doubles with every further wrong guess.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Wrong guesses of an address that has been silent for this long are forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);
/// Addresses that are remembered.
const MOST_ADDRESSES: usize = 256;
/// Wrong guesses that all addresses have together at once, and how long one takes to come back. In a
/// day of eight hours that is 500 guesses of a million.
const BUDGET: u32 = 20;
const REFILL: Duration = Duration::from_secs(60);

/// What was guessed from where.
#[derive(Debug)]
pub struct Guesses {
    addresses: Vec<Guesser>,
    budget: u32,
    refilled: Instant,
}

#[derive(Debug)]
struct Guesser {
    address: IpAddr,
    wrong: u32,
    last: Instant,
}

impl Guesser {
    fn may_guess_at(&self) -> Instant {
        let further = self.wrong.saturating_sub(FREE);
        match self.wrong {
            0..FREE => self.last,
            _ => self.last + FIRST_WAIT.saturating_mul(1 << further.min(16)).min(LONGEST_WAIT),
        }
    }
}

impl Guesses {
    /// Makes one without a guess.
    pub fn new(now: Instant) -> Self {
        Self { addresses: Vec::new(), budget: BUDGET, refilled: now }
    }

    /// Returns whether an address may guess now.
    ///
    /// # Errors
    /// How long it has to wait.
    pub fn admit(&mut self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        self.refill(now);
        let address = from.to_canonical();
        let at = self.addresses.iter().find(|guesser| guesser.address == address).map(Guesser::may_guess_at);
        match at.map(|at| at.saturating_duration_since(now)) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ if self.budget == 0 => Err((self.refilled + REFILL).saturating_duration_since(now)),
            _ => Ok(()),
        }
    }

    /// Notes a wrong guess.
    pub fn wrong(&mut self, from: IpAddr, now: Instant) {
        self.refill(now);
        self.budget = self.budget.saturating_sub(1);
        let address = from.to_canonical();
        if let Some(guesser) = self.addresses.iter_mut().find(|guesser| guesser.address == address) {
            guesser.wrong = guesser.wrong.saturating_add(1);
            guesser.last = now;
            return;
        }
        self.addresses.retain(|guesser| now.saturating_duration_since(guesser.last) < FORGOTTEN);
        if self.addresses.len() >= MOST_ADDRESSES {
            // The budget of all holds for those that are forgotten here.
            let oldest = self.addresses.iter().enumerate().min_by_key(|(_, guesser)| guesser.last);
            if let Some((index, _)) = oldest {
                self.addresses.swap_remove(index);
            }
        }
        self.addresses.push(Guesser { address, wrong: 1, last: now });
    }

    /// Notes a right one: what was wrong before was a slip.
    pub fn right(&mut self, from: IpAddr) {
        let address = from.to_canonical();
        self.addresses.retain(|guesser| guesser.address != address);
    }

    fn refill(&mut self, now: Instant) {
        while self.budget < BUDGET && now.saturating_duration_since(self.refilled) >= REFILL {
            self.refilled += REFILL;
            self.budget += 1;
        }
        if self.budget == BUDGET {
            self.refilled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(0x0a2a_0000 + number).into()
    }

    #[test]
    fn three_slips_are_free_and_further_guesses_wait_twice_as_long_each() {
        let began = Instant::now();
        let mut guesses = Guesses::new(began);
        for _ in 0..3 {
            assert_eq!(guesses.admit(address(1), began), Ok(()));
            guesses.wrong(address(1), began);
        }
        assert_eq!(guesses.admit(address(1), began), Err(Duration::from_secs(5)));
        assert_eq!(guesses.admit(address(2), began), Ok(()), "others need not wait");
        let later = began + Duration::from_secs(5);
        assert_eq!(guesses.admit(address(1), later), Ok(()));
        guesses.wrong(address(1), later);
        assert_eq!(guesses.admit(address(1), later), Err(Duration::from_secs(10)));
        guesses.right(address(1));
        assert_eq!(guesses.admit(address(1), later), Ok(()));
    }

    #[test]
    fn many_addresses_share_a_budget() {
        let began = Instant::now();
        let mut guesses = Guesses::new(began);
        let admitted = (0..1000).filter(|number| {
            let is_admitted = guesses.admit(address(*number), began).is_ok();
            if is_admitted {
                guesses.wrong(address(*number), began);
            }
            is_admitted
        });
        assert_eq!(admitted.count(), 20);
        assert_eq!(guesses.admit(address(1001), began), Err(Duration::from_secs(60)));
        assert_eq!(guesses.admit(address(1001), began + Duration::from_secs(60)), Ok(()));
    }

    #[test]
    fn a_guesser_slows_nobody_else_of_his_ipv6_network_and_all_of_it_have_one_budget() {
        let (began, mut guesses) = (Instant::now(), Guesses::new(Instant::now()));
        for prefix in [0xfd00, 0xfe80] {
            let phone = |host: u16| IpAddr::from(Ipv6Addr::new(prefix, 0, 0, 0, 0, 0, 0, host));
            (0..3).for_each(|_| guesses.wrong(phone(1), began));
            assert!(guesses.admit(phone(1), began).is_err());
            assert_eq!(guesses.admit(phone(2), began), Ok(()), "another phone of the same network");
        }
        let phone = |host: u16| IpAddr::from(Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, host));
        let mut guesses = Guesses::new(began);
        let admitted = (0..1000).filter(|host| {
            let is_admitted = guesses.admit(phone(*host), began).is_ok();
            if is_admitted {
                guesses.wrong(phone(*host), began);
            }
            is_admitted
        });
        assert_eq!(admitted.count(), 20);
        // An IPv4 address that came through an IPv6 socket is that IPv4 address.
        let mut guesses = Guesses::new(began);
        let [plain, mapped] = [address(1), Ipv4Addr::from(0x0a2a_0001).to_ipv6_mapped().into()];
        (0..3).for_each(|_| guesses.wrong(mapped, began));
        assert!(guesses.admit(plain, began).is_err());
    }

    proptest! {
        #[test]
        fn never_more_than_the_budget_and_memory_is_bounded(
            steps in prop::collection::vec((0_u32..2000, 0_u64..30), 1..600),
        ) {
            let began = Instant::now();
            let (mut guesses, mut now, mut wrong) = (Guesses::new(began), began, 0_u64);
            for (number, seconds) in steps {
                now += Duration::from_secs(seconds);
                if guesses.admit(address(number), now).is_ok() {
                    guesses.wrong(address(number), now);
                    wrong += 1;
                }
                prop_assert!(guesses.addresses.len() <= MOST_ADDRESSES);
            }
            let minutes = now.duration_since(began).as_secs() / 60;
            prop_assert!(wrong <= u64::from(BUDGET) + minutes + 1);
        }
    }
}
