//! The key of the server, the keys of its clients, and its configuration of SSH. Reads one file.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::keys::{Algorithm, PrivateKey, PublicKey, ssh_key};
use russh::server::Config;
use russh::{MethodKind, MethodSet, Preferred, SshId, compression};

use super::stdin::WINDOW;

/// An idle client gets keepalives, and is disconnected when it does not answer the third one. A client that answers but reads no data
/// is disconnected after the inactivity timeout.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const MAX_KEEPALIVES: usize = 3;
const INACTIVITY_TIMEOUT: Duration = Duration::from_secs(150);

/// How many keys a client may offer.
const MAX_AUTH_ATTEMPTS: usize = 6;

/// How long the server takes to reject a key, whatever the reason.
const REJECTION_DELAY: Duration = Duration::from_millis(500);

/// Messages that are queued for a client, at most 32 KiB each.
const EVENT_BUFFER: usize = 8;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read --host-key {path}: {source}; mount the Secret of the host key there, readable for this user")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("--host-key {path} is not a private key in OpenSSH's format: {source}")]
    HostKey { path: PathBuf, source: ssh_key::Error },
    #[error("--authorized-key is not a line of an authorized_keys file (`ssh-ed25519 AAAA…`): {0}")]
    AuthorizedKey(#[source] ssh_key::Error),
    #[error("{argument} is a key of type {kind}; it must be ssh-ed25519")]
    Kind { argument: &'static str, kind: Algorithm },
}

/// Reads the host key.
pub fn host_key(path: &Path) -> Result<PrivateKey, KeyError> {
    let text = fs::read_to_string(path).map_err(|source| KeyError::Unreadable { path: path.to_owned(), source })?;
    let key = PrivateKey::from_openssh(text).map_err(|source| KeyError::HostKey { path: path.to_owned(), source })?;
    match key.algorithm() {
        Algorithm::Ed25519 => Ok(key),
        kind => Err(KeyError::Kind { argument: "--host-key", kind }),
    }
}

/// Reads the public key of a client.
pub fn authorized_key(line: &str) -> Result<PublicKey, KeyError> {
    let key = PublicKey::from_openssh(line).map_err(KeyError::AuthorizedKey)?;
    match key.algorithm() {
        Algorithm::Ed25519 => Ok(key),
        kind => Err(KeyError::Kind { argument: "--authorized-key", kind }),
    }
}

/// The server's configuration of SSH.
#[must_use]
pub fn config(host_key: PrivateKey) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-creel-shell_", env!("CARGO_PKG_VERSION")))),
        methods: MethodSet::from([MethodKind::PublicKey].as_slice()),
        auth_rejection_time: REJECTION_DELAY,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![host_key],
        window_size: WINDOW,
        event_buffer_size: EVENT_BUFFER,
        preferred: Preferred {
            key: Cow::Borrowed(&[Algorithm::Ed25519]),
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        max_auth_attempts: MAX_AUTH_ATTEMPTS,
        inactivity_timeout: Some(INACTIVITY_TIMEOUT),
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: MAX_KEEPALIVES,
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_ed25519_keys_are_accepted() {
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ writer";
        assert!(authorized_key(line).is_ok());
        let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc=";
        assert!(authorized_key(ecdsa).unwrap_err().to_string().contains("must be ssh-ed25519"));
        assert!(authorized_key("nonsense").unwrap_err().to_string().contains("authorized_keys"));
    }

    #[test]
    fn a_missing_host_key_is_named_with_the_remedy() {
        let message = host_key(Path::new("/nonexistent/key")).unwrap_err().to_string();
        assert!(message.contains("/nonexistent/key") && message.contains("mount the Secret"), "{message}");
    }
}
