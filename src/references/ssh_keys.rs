//! Keys of the way into a sandbox: the gateway's own, and the host key of each sandbox. Reads random bytes; no network.

use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::ssh_key::{LineEnding, PrivateKey};
use thiserror::Error;

/// Why a key could not be made.
#[derive(Debug, Error)]
pub enum SshKeyError {
    #[error("cannot read random bytes from the OS")]
    Random(#[from] getrandom::Error),
    #[error("cannot write an SSH key in OpenSSH format")]
    Format(#[source] russh::keys::ssh_key::Error),
}

/// An Ed25519 key pair in OpenSSH's formats.
pub struct SshKey {
    /// What `ssh -i` reads. Secret.
    pub private: String,
    /// One line of `authorized_keys`, without a comment: `ssh-ed25519 AAAA…`.
    pub public: String,
}

/// Makes a key pair.
pub fn generate() -> Result<SshKey, SshKeyError> {
    let mut seed = [0_u8; 32];
    getrandom::fill(&mut seed)?;
    let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
    let key = PrivateKey::new(pair, "").map_err(SshKeyError::Format)?;
    Ok(SshKey {
        private: key.to_openssh(LineEnding::LF).map_err(SshKeyError::Format)?.to_string(),
        public: key.public_key().to_openssh().map_err(SshKeyError::Format)?,
    })
}

/// The public half of a private key in OpenSSH's format; `None`: it is none.
#[must_use]
pub fn public_of(private: &[u8]) -> Option<String> {
    PrivateKey::from_openssh(private).ok()?.public_key().to_openssh().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_public_half_of_a_made_key_is_found_again() {
        let key = generate().unwrap();
        assert!(key.public.starts_with("ssh-ed25519 AAAA"), "{}", key.public);
        assert_eq!(public_of(key.private.as_bytes()).as_ref(), Some(&key.public));
        assert_ne!(generate().unwrap().public, key.public);
        assert_eq!(public_of(b"no key"), None);
    }
}
