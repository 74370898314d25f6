//! The key of a ride: all boxes that have it believe each other.

use std::fmt;
use std::str::FromStr;

use data_encoding::{Encoding, Specification};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Random bytes of a key: 144 bits, which nobody guesses.
const SECRET_BYTES: usize = 18;

/// Bytes by which a mistyped key is noticed.
const CHECK_BYTES: usize = 2;

/// Characters between two hyphens.
const GROUP: usize = 4;

/// Bytes of a signature: half of SHA-256's, as RFC 2104 (section 5) allows.
pub const SIGNATURE_BYTES: usize = 16;

/// The secret that the boxes of a ride share.
///
/// It is written as 32 letters and digits in groups of four: `a3kd-…`. The alphabet is Crockford's,
/// in which no two characters look alike; what is mistaken for another one is understood.
#[derive(Clone, PartialEq, Eq)]
pub struct RideKey([u8; SECRET_BYTES]);

/// Why a text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It has another length, or characters that no key has.
    #[error(
        "it is not a ride's key: that has 8 groups of 4 letters and digits; make one with `jaudiosync ride new-key`"
    )]
    NotAKey,
    /// Its check does not fit.
    #[error("a character of the ride's key is wrong: compare it with that of another box")]
    Mistyped,
}

impl RideKey {
    /// Makes a new key of the system's random bytes.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret)?;
        Ok(Self(secret))
    }

    /// Makes a key of given bytes, for tests.
    pub const fn from_secret(secret: [u8; SECRET_BYTES]) -> Self {
        Self(secret)
    }

    /// Returns the ride's PIN: six digits, with which a person on the boxes' page may steer the
    /// ride.
    ///
    /// It follows from the key, so that all boxes have the same one without sending it, and it says
    /// nothing about the key. What is signed here is no message: all of those begin otherwise.
    pub fn pin(&self) -> String {
        let [a, b, c, d, e, f, g, h, ..] = self.sign(b"jaudiosync ride pin");
        format!("{:06}", u64::from_be_bytes([a, b, c, d, e, f, g, h]) % 1_000_000)
    }

    /// Signs bytes: HMAC-SHA256 (RFC 2104), the first [`SIGNATURE_BYTES`] of it.
    pub fn sign(&self, bytes: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let whole = self.authenticator(bytes).finalize().into_bytes();
        let mut signature = [0; SIGNATURE_BYTES];
        signature.copy_from_slice(&whole[..SIGNATURE_BYTES]);
        signature
    }

    /// Returns whether a signature belongs to these bytes. It takes equally long for all that are
    /// wrong.
    pub fn verifies(&self, bytes: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.authenticator(bytes).verify_truncated_left(signature).is_ok()
    }

    fn authenticator(&self, bytes: &[u8]) -> Hmac<Sha256> {
        // A key of any length is accepted, but for the compiler.
        let block: [u8; 64] = std::array::from_fn(|index| self.0.get(index).copied().unwrap_or(0));
        let mut authenticator = <Hmac<Sha256> as KeyInit>::new(&block.into());
        authenticator.update(bytes);
        authenticator
    }
}

/// Crockford's alphabet in lower case, which ignores hyphens and spaces and understands the letters
/// that look like digits.
fn encoding() -> Option<Encoding> {
    let mut specification = Specification::new();
    specification.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    specification.translate.from.push_str("ABCDEFGHJKMNPQRSTVWXYZoOiIlL");
    specification.translate.to.push_str("abcdefghjkmnpqrstvwxyz001111");
    specification.ignore.push_str("- \t\r\n");
    specification.encoding().ok()
}

fn check(secret: &[u8; SECRET_BYTES]) -> [u8; CHECK_BYTES] {
    let hash = Sha256::new_with_prefix(b"jaudiosync ride key").chain_update(secret).finalize();
    [hash[0], hash[1]]
}

impl FromStr for RideKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = encoding().and_then(|encoding| encoding.decode(text.as_bytes()).ok()).ok_or(KeyError::NotAKey)?;
        let (secret, given) = bytes.split_first_chunk::<SECRET_BYTES>().ok_or(KeyError::NotAKey)?;
        if given.len() != CHECK_BYTES {
            return Err(KeyError::NotAKey);
        }
        if given != check(secret) {
            return Err(KeyError::Mistyped);
        }
        Ok(Self(*secret))
    }
}

impl fmt::Display for RideKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.0[..], &check(&self.0)].concat();
        let text = encoding().map(|encoding| encoding.encode(&bytes)).unwrap_or_default();
        for (index, character) in text.chars().enumerate() {
            if index > 0 && index % GROUP == 0 {
                formatter.write_str("-")?;
            }
            write!(formatter, "{character}")?;
        }
        Ok(())
    }
}

/// Shows that there is a key, and not which: what is debugged ends in logs.
impl fmt::Debug for RideKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RideKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        // Test case 1, whose key is shorter: zeros follow it in HMAC, as they do here.
        let mut secret = [0; SECRET_BYTES];
        secret.copy_from_slice(&[0x0b; 18]);
        let of_18 = RideKey::from_secret(secret).sign(b"Hi There");
        let mut other = Hmac::<Sha256>::new_from_slice(&[0x0b; 18]).unwrap();
        other.update(b"Hi There");
        assert_eq!(of_18[..], other.finalize().into_bytes()[..SIGNATURE_BYTES]);
    }

    #[test]
    fn a_new_key_is_another_one_and_is_not_shown_by_accident() {
        let (one, other) = (RideKey::generate().unwrap(), RideKey::generate().unwrap());
        assert_ne!(one, other);
        assert!(!format!("{one:?}").contains(&one.to_string()[..4]));
    }

    #[test]
    fn the_pin_is_the_same_on_every_box_and_another_one_with_another_key() {
        let pin = |byte| RideKey::from_secret([byte; SECRET_BYTES]).pin();
        assert_eq!(pin(1), pin(1));
        let pins: std::collections::HashSet<String> = (0..200).map(pin).collect();
        assert!(pins.len() >= 199 && pins.iter().all(|pin| pin.len() == 6), "{pins:?}");
    }

    proptest! {
        #[test]
        fn a_key_is_read_as_it_is_written_and_as_people_write_it(secret in any::<[u8; SECRET_BYTES]>()) {
            let key = RideKey::from_secret(secret);
            let text = key.to_string();
            prop_assert_eq!(text.len(), 32 + 7);
            for written in [text.clone(), text.to_uppercase(), text.replace('-', ""), text.replace('0', "O"),
                text.replace('1', "l"), format!(" {text}\n")] {
                prop_assert_eq!(written.parse::<RideKey>(), Ok(key.clone()));
            }
        }

        #[test]
        fn a_wrong_character_is_noticed_and_any_text_is_answered(
            secret in any::<[u8; SECRET_BYTES]>(), place in 0_usize..32, to in 0_usize..32, any in ".{0,60}",
        ) {
            let text = RideKey::from_secret(secret).to_string().replace('-', "");
            let mut wrong = text.clone().into_bytes();
            wrong[place] = b"0123456789abcdefghjkmnpqrstvwxyz"[to];
            let wrong = String::from_utf8(wrong).unwrap();
            // One in 65,536 is not noticed, if the check is as good as chance.
            prop_assume!(wrong != text);
            let parsed = wrong.parse::<RideKey>();
            prop_assert!(parsed == Err(KeyError::Mistyped) || parsed.is_ok_and(|key| key != RideKey::from_secret(secret)));
            let _ = any.parse::<RideKey>();
        }
    }
}
