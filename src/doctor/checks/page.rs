//! The page for phones: whether it answers.

use std::io;
use std::net::SocketAddr;

use super::super::Finding;

const CHECK: &str = "page";

/// What is known about the page of a box that has a ride's key.
#[derive(Debug)]
pub enum PageSeen {
    /// The configuration has switched it off.
    Off,
    /// It should be served.
    On {
        /// Where it was asked for.
        address: SocketAddr,
        /// Whether what answered there is the page.
        answer: io::Result<bool>,
    },
}

/// Checks whether phones find the page. A box plays in sync without it.
pub fn page(seen: &PageSeen) -> Finding {
    match seen {
        PageSeen::Off => Finding::good(CHECK, "it is off (page.enabled = false)"),
        PageSeen::On { address, answer: Ok(true) } => {
            Finding::good(CHECK, format!("it is served on port {}", address.port()))
        }
        PageSeen::On { address, answer: Ok(false) } => Finding::warning(
            CHECK,
            format!("something else answers on port {}, so phones do not find the page", address.port()),
            format!("sudo ss -ltnp 'sport = :{}' shows what it is; or set page.listen to another port", address.port()),
        ),
        PageSeen::On { address, answer: Err(error) } => Finding::warning(
            CHECK,
            format!("phones do not find the page: {address}: {error}"),
            "see why: systemctl status jaudiosync.socket, and journalctl -u jaudiosync | grep page",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::super::Level;
    use super::*;

    #[test]
    fn a_page_that_is_off_or_answers_is_good_and_another_program_and_silence_are_not() {
        let on = |answer| page(&PageSeen::On { address: (Ipv4Addr::LOCALHOST, 80).into(), answer });
        assert_eq!(page(&PageSeen::Off).level, Level::Good);
        assert_eq!(on(Ok(true)).level, Level::Good);
        let other = on(Ok(false));
        assert!(other.level == Level::Warning && other.advice.unwrap().contains(":80"));
        let silent = on(Err(io::ErrorKind::ConnectionRefused.into()));
        assert!(silent.level == Level::Warning && silent.advice.unwrap().contains("jaudiosync.socket"));
    }
}
