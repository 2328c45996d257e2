//! Where a call connects to, and with which keys. Read from the files of the call, which are removed after it. Touches the disk.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ssh_config::{self, SshConfig, SshConfigError};

/// The largest files that are read, in bytes.
const CONFIG_LIMIT: usize = 64 * 1024;
const IDENTITY_LIMIT: usize = 16 * 1024;
const KNOWN_HOSTS_LIMIT: usize = 256 * 1024;

/// Everything that defines a connection. No `Debug`: it holds the private key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub address: SocketAddr,
    pub user: String,
    /// The text of the private key file.
    pub identity: String,
    /// The text of the `known_hosts` file.
    pub known_hosts: String,
    pub connect_timeout: Duration,
    pub alive_interval: Duration,
}

/// Why a call has no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("cannot read {path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} has more than {limit} bytes")]
    TooLarge { path: PathBuf, limit: usize },
    #[error("{path} is not UTF-8 text")]
    Encoding { path: PathBuf },
    #[error(transparent)]
    Config(#[from] SshConfigError),
    #[error("the host `{0}` is not an IP address; host names are not resolved, so sandbox.ssh.target needs an address")]
    HostName(String),
}

impl Target {
    /// Reads the SSH configuration of a call and the files that it names.
    pub fn read(config: &Path, host: &str) -> Result<Self, TargetError> {
        let text = read(config, CONFIG_LIMIT)?;
        let SshConfig { host_name, port, user, identity_file, known_hosts_file, connect_timeout, alive_interval } =
            ssh_config::parse(&text, host)?;
        let ip: IpAddr = host_name.parse().map_err(|_| TargetError::HostName(host_name))?;
        Ok(Self {
            address: SocketAddr::new(ip, port),
            user,
            identity: read(&identity_file, IDENTITY_LIMIT)?,
            known_hosts: read(&known_hosts_file, KNOWN_HOSTS_LIMIT)?,
            connect_timeout,
            alive_interval,
        })
    }

    /// Names the connection. Calls with another address, user, client key or trusted host key never share it.
    #[must_use]
    pub fn connection_id(&self) -> String {
        let mut digest = Sha256::new();
        for part in [&self.address.to_string(), &self.user, &self.identity, &self.known_hosts] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut id = hex::encode(digest.finalize());
        id.truncate(32);
        id
    }
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
    fn every_part_that_decides_who_talks_to_whom_changes_the_connection_id() {
        let same = Target { connect_timeout: Duration::from_secs(9), ..target() };
        assert_eq!(same.connection_id(), target().connection_id());
        for other in [
            Target { address: "10.96.3.7:2223".parse().unwrap(), ..target() },
            Target { user: "sandboxk".into(), identity: "ey".into(), ..target() },
            Target { identity: "key2".into(), ..target() },
            Target { known_hosts: "hosts2".into(), ..target() },
        ] {
            assert_ne!(other.connection_id(), target().connection_id());
        }
    }

    #[test]
    fn a_file_without_end_is_refused() {
        assert!(matches!(read(Path::new("/dev/zero"), 100), Err(TargetError::TooLarge { limit: 100, .. })));
    }
}
