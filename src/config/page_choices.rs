//! The types of `[page]` that are more than a number or a text.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Who may look at the page. To steer, everybody needs the PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PageView {
    /// Anybody on the network.
    #[default]
    Open,
    /// Those who have given the PIN.
    Pin,
}

/// An address and a port of this machine; an empty text means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OptionalListen(pub Option<SocketAddr>);

impl TryFrom<String> for OptionalListen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.trim() {
            "" => Ok(Self(None)),
            text => text.parse().map(|address| Self(Some(address))).map_err(|_| {
                format!("{text:?} is not an address with a port; write \"0.0.0.0:8080\", or \"\" for port 80")
            }),
        }
    }
}

impl From<OptionalListen> for String {
    fn from(listen: OptionalListen) -> Self {
        listen.0.map(|address| address.to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port() {
        let listen = |text: &str| OptionalListen::try_from(text.to_owned());
        assert_eq!(listen(" "), Ok(OptionalListen(None)));
        for text in ["0.0.0.0:8080", "[::]:8080", "127.0.0.1:0"] {
            assert_eq!(String::from(listen(text).unwrap()), text);
        }
        for text in ["8080", "bike-1:8080", "0.0.0.0", ":8080"] {
            assert!(listen(text).unwrap_err().contains("0.0.0.0:8080"), "{text}");
        }
    }
}
