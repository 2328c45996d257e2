//! Where a call goes, and with which keys: read from the files of the call, because those vanish after it. Touches the disk.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::configuration::{self, Configuration, ConfigurationError};

/// The largest identity and known hosts that are read, in bytes.
const IDENTITY_LIMIT: usize = 16 * 1024;
const KNOWN_HOSTS_LIMIT: usize = 256 * 1024;

/// Everything that makes a connection what it is. No `Debug`: it holds the private key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub address: SocketAddr,
    pub user: String,
    /// The private key file's text.
    pub identity: String,
    /// The `known_hosts` file's text.
    pub known_hosts: String,
    pub connect_timeout: Duration,
    pub alive_interval: Duration,
}

/// Why a call has no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("{path} cannot be read: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} has more than {limit} bytes")]
    TooLarge { path: PathBuf, limit: usize },
    #[error("{path} is not UTF-8 text")]
    Encoding { path: PathBuf },
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error(
        "the target's host `{0}` is not an IP address; names are not looked up, so sandbox.ssh.target needs the address itself"
    )]
    Name(String),
}

impl Target {
    /// Reads the configuration of a call and the files it names.
    pub fn read(configuration: &Path, host: &str) -> Result<Self, TargetError> {
        let text = read(configuration, configuration::LIMIT)?;
        let Configuration { host_name, port, user, identity_file, known_hosts_file, connect_timeout, alive_interval } =
            configuration::parse(&text, host)?;
        Ok(Self {
            address: SocketAddr::new(address(&host_name)?, port),
            user,
            identity: read(&identity_file, IDENTITY_LIMIT)?,
            known_hosts: read(&known_hosts_file, KNOWN_HOSTS_LIMIT)?,
            connect_timeout,
            alive_interval,
        })
    }

    /// Names the connection: another host, user, client key or believed host key never gets the same one.
    #[must_use]
    pub fn key(&self) -> String {
        let mut digest = Sha256::new();
        for part in [&self.address.to_string(), &self.user, &self.identity, &self.known_hosts] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut key = hex::encode(digest.finalize());
        key.truncate(32);
        key
    }
}

/// OpenClaw passes the brackets of `user@[fd00::7]:2222` on into `HostName`.
fn address(host: &str) -> Result<IpAddr, TargetError> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().map_err(|_| TargetError::Name(host.to_owned()))
}

fn read(path: &Path, limit: usize) -> Result<String, TargetError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
        .map_err(|source| TargetError::File { path: path.to_owned(), source })?;
    if bytes.len() > limit {
        return Err(TargetError::TooLarge { path: path.to_owned(), limit });
    }
    String::from_utf8(bytes).map_err(|_| TargetError::Encoding { path: path.to_owned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            address: "10.96.3.7:2222".parse().unwrap(),
            user: "sandbox".into(),
            identity: "key".into(),
            known_hosts: "hosts".into(),
            connect_timeout: Duration::from_secs(5),
            alive_interval: Duration::from_secs(5),
        }
    }

    #[test]
    fn every_part_that_matters_changes_the_key() {
        let same = Target { connect_timeout: Duration::from_secs(9), ..target() };
        assert_eq!(same.key(), target().key());
        for other in [
            Target { address: "10.96.3.7:2223".parse().unwrap(), ..target() },
            Target { user: "sandboxk".into(), identity: "ey".into(), ..target() },
            Target { identity: "key2".into(), ..target() },
            Target { known_hosts: "hosts2".into(), ..target() },
        ] {
            assert_ne!(other.key(), target().key());
        }
    }

    #[test]
    fn only_addresses_are_hosts() {
        assert_eq!(address("[fd00::7]").unwrap(), address("fd00::7").unwrap());
        let error = address("sandbox.example").unwrap_err().to_string();
        assert!(error.starts_with("the target's host `sandbox.example` is not an IP address"), "{error}");
    }

    #[test]
    fn endless_files_are_refused() {
        assert!(matches!(read(Path::new("/dev/zero"), 100), Err(TargetError::TooLarge { limit: 100, .. })));
    }
}
