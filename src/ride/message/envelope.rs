//! The bytes around a message: `JAuS`, the version, the contents, the signature.

use super::Message;
use crate::ride::key::{RideKey, SIGNATURE_BYTES};

/// The version of the format. Boxes of different versions do not understand each other.
pub const VERSION: u8 = 1;

/// The largest datagram: what every network carries in one piece (IPv6's least MTU of 1,280 bytes,
/// RFC 8200, section 5, less the headers of IP and UDP).
pub const MAX_DATAGRAM_BYTES: usize = 1232;

const MAGIC: [u8; 4] = *b"JAuS";
const HEADER_BYTES: usize = MAGIC.len() + 1;

/// Why bytes are not a message of this ride.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// They do not begin as one.
    #[error("not a message of JAudioSync")]
    Foreign,
    /// Another version of the program sends it.
    #[error("a message of version {0}; all boxes need the same version of JAudioSync")]
    Version(u8),
    /// The signature is wrong.
    #[error("a message that was damaged, or signed with another key")]
    Signature,
    /// They are signed, and yet not a message.
    #[error("a message that this version does not understand")]
    Nonsense,
    /// The message does not fit into a datagram.
    #[error("a message of more than {MAX_DATAGRAM_BYTES} bytes")]
    TooLong,
}

/// Writes a message, and signs it.
///
/// # Errors
/// When it is too long for a datagram.
pub fn seal(message: &Message, key: &RideKey) -> Result<Vec<u8>, Refused> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    let mut bytes = postcard::to_extend(message, bytes).map_err(|_| Refused::Nonsense)?;
    let signature = key.sign(&bytes);
    bytes.extend_from_slice(&signature);
    if bytes.len() > MAX_DATAGRAM_BYTES { Err(Refused::TooLong) } else { Ok(bytes) }
}

/// Returns whether bytes begin as a message, of whichever version, and have the length of one. It
/// costs next to nothing: whatever this refuses, [`open`] refuses, too.
pub fn can_be_message(bytes: &[u8]) -> bool {
    (HEADER_BYTES + SIGNATURE_BYTES..=MAX_DATAGRAM_BYTES).contains(&bytes.len()) && bytes.starts_with(&MAGIC)
}

/// Reads a message, if it was signed with this key. Nothing in it is looked at before the signature
/// has been verified.
///
/// # Errors
/// When it is not one, of another version, or not signed with this key.
pub fn open(bytes: &[u8], key: &RideKey) -> Result<Message, Refused> {
    if bytes.len() > MAX_DATAGRAM_BYTES {
        return Err(Refused::TooLong);
    }
    let (signed, signature) = bytes.split_last_chunk::<SIGNATURE_BYTES>().ok_or(Refused::Foreign)?;
    let (header, body) = signed.split_first_chunk::<HEADER_BYTES>().ok_or(Refused::Foreign)?;
    if header[..MAGIC.len()] != MAGIC {
        return Err(Refused::Foreign);
    }
    if header[MAGIC.len()] != VERSION {
        return Err(Refused::Version(header[MAGIC.len()]));
    }
    if !key.verifies(signed, signature) {
        return Err(Refused::Signature);
    }
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        _ => Err(Refused::Nonsense),
    }
}
