//! Stored passwords: RabbitMQ's salted SHA-256, so that users can be moved over with their hashes. Fast on purpose:
//! a slow hash would make every reconnect of a busy application a burden, and RabbitMQ's own tools produce this form.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A salted password hash (RabbitMQ's `rabbit_password_hashing_sha256`: SHA-256 over salt and password).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    salt: [u8; 4],
    digest: [u8; 32],
}

impl PasswordHash {
    /// Hashes a password with a salt drawn by the caller.
    #[must_use]
    pub fn new(password: &[u8], salt: [u8; 4]) -> Self {
        Self { salt, digest: Self::digest(password, salt) }
    }

    /// Whether the password is the one that was hashed. An empty password never is. Takes the same time for any
    /// wrong password.
    #[must_use]
    pub fn matches(&self, password: &[u8]) -> bool {
        let same: bool = Self::digest(password, self.salt).ct_eq(&self.digest).into();
        same && !password.is_empty()
    }

    fn digest(password: &[u8], salt: [u8; 4]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(salt);
        hasher.update(password);
        hasher.finalize().into()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_password_alone() {
        let hash = PasswordHash::new(b"secret", [1, 2, 3, 4]);
        assert!(hash.matches(b"secret"));
        assert!(!hash.matches(b"Secret"));
        assert!(!hash.matches(b""));
    }

    #[test]
    fn never_accepts_an_empty_password_even_where_one_was_stored() {
        assert!(!PasswordHash::new(b"", [0; 4]).matches(b""));
    }

    #[test]
    fn shows_neither_salt_nor_digest_when_printed() {
        assert_eq!(format!("{:?}", PasswordHash::new(b"secret", [1, 2, 3, 4])), "PasswordHash(..)");
    }
}
