//! Checksums of what is kept on disk.

use sha2::{Digest, Sha256};

/// Return the first 8 bytes of a SHA-256, in hexadecimal: 16 digits. Enough against damage and against
/// taking one file for another; nobody is kept from forging them.
pub(crate) fn short_hex(hash: Sha256) -> String {
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_beginning_of_the_digest() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(short_hex(Sha256::new_with_prefix("abc")), "ba7816bf8f01cfea");
    }
}
