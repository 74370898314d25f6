//! Checksums of files on disk.

use sha2::{Digest, Sha256};

/// Returns the first 8 bytes of a SHA-256 in hexadecimal: 16 digits. That is enough to notice
/// damage and to distinguish files, but not to prevent forgery.
pub(crate) fn short_hex(hash: Sha256) -> String {
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the first 8 bytes of a digest as a number.
pub(crate) fn first_number(digest: &[u8]) -> u64 {
    digest.iter().take(8).rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_beginning_of_the_digest() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(short_hex(Sha256::new_with_prefix("abc")), "ba7816bf8f01cfea");
        assert_eq!(first_number(&Sha256::digest("abc")), u64::from_le_bytes(0xba78_16bf_8f01_cfea_u64.to_be_bytes()));
    }
}
