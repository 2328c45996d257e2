//! One SSH connection to a sandbox, which is not trusted: its host key is checked, and whatever it asks for is refused.
//! Touches the network.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::client::{self, AuthResult, ChannelOpenHandle, DisconnectReason, Handle, Msg, Session};
use russh::keys::ssh_key::{Algorithm, HashAlg};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, Preferred, cipher, kex};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::known_hosts;
use super::printable::printable;
use super::target::Target;
use super::transport::Transport;

/// How many bytes the sandbox may send on a channel before it has to wait. Small, because what a call does not read has to
/// be kept for it; at a tenth of a millisecond within a cluster still more than a gigabyte per second.
pub const WINDOW: u32 = 128 * 1024;

/// How many packets of a channel wait for its call.
const WAITING_PACKETS: usize = 4;

/// How many keepalives may stay unanswered.
const ALIVE_COUNT: usize = 3;

/// How soon a refused connection is tried again.
const REFUSED_AGAIN: Duration = Duration::from_millis(200);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("the identity is not an OpenSSH Ed25519 private key without passphrase: {0}")]
    Identity(String),
    #[error(
        "known_hosts has no ssh-ed25519 key for [{ip}]:{port}, so the sandbox cannot be told from an impostor \
         (StrictHostKeyChecking=no is not honoured); set sandbox.ssh.knownHostsData", ip = .0.ip(), port = .0.port()
    )]
    UnknownHost(SocketAddr),
    #[error("the sandbox {0} cannot be reached: {1}")]
    Unreachable(SocketAddr, #[source] std::io::Error),
    #[error("the sandbox {0} did not complete the SSH handshake within {seconds} s", seconds = .1.as_secs())]
    Timeout(SocketAddr, Duration),
    #[error(
        "host key verification failed: {0} showed the key {1}, which is not in known_hosts; it is not this sandbox, or its \
         host key has changed (StrictHostKeyChecking=no is not honoured)"
    )]
    HostKey(SocketAddr, String),
    #[error("the sandbox {0} refused the client key of user `{1}`")]
    Refused(SocketAddr, String),
    #[error("the SSH handshake with the sandbox {0} failed: {1}")]
    Handshake(SocketAddr, String),
}

/// An authenticated connection.
pub struct Connection {
    handle: Handle<Guard>,
    fate: Arc<Fate>,
}

/// How a connection ended, once it has.
#[derive(Default)]
struct Fate {
    reason: OnceLock<String>,
    ended: Notify,
}

impl Connection {
    /// Connects and authenticates within the target's time.
    pub async fn open(target: &Target) -> Result<Self, ConnectionError> {
        let limit = target.connect_timeout;
        timeout(limit, connect(target)).await.unwrap_or(Err(ConnectionError::Timeout(target.address, limit)))
    }

    pub async fn open_channel(&self) -> Result<Channel<Msg>, russh::Error> {
        self.handle.channel_open_session().await
    }

    pub fn is_lost(&self) -> bool {
        self.handle.is_closed()
    }

    /// Returns when the connection is lost.
    pub async fn lost(&self) {
        let ended = self.fate.ended.notified();
        if !self.is_lost() {
            ended.await;
        }
    }

    /// Why it was lost.
    pub fn reason(&self) -> &str {
        self.fate.reason.get().map_or("the sandbox closed it", String::as_str)
    }
}

async fn connect(target: &Target) -> Result<Connection, ConnectionError> {
    let address = target.address;
    let identity = identity(&target.identity)?;
    let believed = known_hosts::keys(&target.known_hosts, address);
    if believed.is_empty() {
        return Err(ConnectionError::UnknownHost(address));
    }
    let patience = target.alive_interval * u32::try_from(ALIVE_COUNT + 1).unwrap_or(u32::MAX);
    let tcp = reach(address, target.connect_timeout).await?;
    let transport = Transport::new(tcp, patience).map_err(|error| ConnectionError::Unreachable(address, error))?;

    let fate = Arc::new(Fate::default());
    let guard = Guard { address, believed, fate: Arc::clone(&fate) };
    let described = |error| describe(address, error);
    let mut handle = client::connect_stream(Arc::new(protocol(target)), transport, guard).await.map_err(described)?;
    let key = PrivateKeyWithHashAlg::new(Arc::new(identity), None);
    let result = handle.authenticate_publickey(&target.user, key).await;
    match result.map_err(|error| ConnectionError::Handshake(address, printable(&error.to_string())))? {
        AuthResult::Success => Ok(Connection { handle, fate }),
        AuthResult::Failure { .. } => Err(ConnectionError::Refused(address, printable(&target.user))),
    }
}

/// A sandbox that is just being replaced refuses for a moment, until it or its Service is there again.
async fn reach(address: SocketAddr, limit: Duration) -> Result<TcpStream, ConnectionError> {
    let until = Instant::now() + limit.saturating_sub(REFUSED_AGAIN * 2);
    loop {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused && Instant::now() < until => {
                sleep(REFUSED_AGAIN).await;
            }
            Err(error) => return Err(ConnectionError::Unreachable(address, error)),
        }
    }
}

/// As `ssh` does, blank lines around the key are nothing: whoever writes a variable to a file may add one.
fn identity(text: &str) -> Result<PrivateKey, ConnectionError> {
    let key = PrivateKey::from_openssh(text.trim()).map_err(|error| ConnectionError::Identity(error.to_string()))?;
    if key.is_encrypted() {
        return Err(ConnectionError::Identity("it has a passphrase".to_owned()));
    }
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(ConnectionError::Identity(format!("it is of kind {}", key.algorithm())));
    }
    Ok(key)
}

/// Ed25519 only, as both ends are ours; no Diffie-Hellman groups of the other side's choice; no compression.
fn protocol(target: &Target) -> client::Config {
    client::Config {
        window_size: WINDOW,
        channel_buffer_size: WAITING_PACKETS,
        keepalive_interval: Some(target.alive_interval),
        keepalive_max: ALIVE_COUNT,
        preferred: Preferred {
            kex: Cow::Borrowed(&[
                kex::MLKEM768X25519_SHA256,
                kex::CURVE25519,
                kex::CURVE25519_PRE_RFC_8731,
                kex::EXTENSION_SUPPORT_AS_CLIENT,
                kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
            ]),
            key: Cow::Borrowed(&[Algorithm::Ed25519]),
            cipher: Cow::Borrowed(&[cipher::AES_256_GCM, cipher::CHACHA20_POLY1305]),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}

/// Errors of the protocol's own loop.
#[derive(Debug, thiserror::Error)]
enum GuardError {
    #[error("unknown host key {0}")]
    HostKey(String),
    #[error(transparent)]
    Protocol(#[from] russh::Error),
}

fn describe(address: SocketAddr, error: GuardError) -> ConnectionError {
    match error {
        GuardError::HostKey(shown) => ConnectionError::HostKey(address, shown),
        GuardError::Protocol(error) => ConnectionError::Handshake(address, printable(&error.to_string())),
    }
}

/// Decides what the sandbox may do: nothing but answer.
struct Guard {
    address: SocketAddr,
    believed: Vec<PublicKey>,
    fate: Arc<Fate>,
}

impl Drop for Guard {
    /// The loop drops it at its end, whatever that was, after the channels can be used no more.
    fn drop(&mut self) {
        self.fate.ended.notify_waiters();
    }
}

/// The default of russh accepts every channel that a server opens; dropping the handle refuses it.
macro_rules! refuse {
    ($($name:ident($($argument:ty),*);)*) => {
        $(async fn $name(
            &mut self,
            _: Channel<Msg>,
            $(_: $argument,)*
            refused: ChannelOpenHandle,
            _: &mut Session,
        ) -> Result<(), GuardError> {
            drop(refused);
            Ok(())
        })*
    };
}

impl client::Handler for Guard {
    type Error = GuardError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, GuardError> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            return Err(GuardError::HostKey("in a certificate".to_owned()));
        };
        if self.believed.iter().any(|believed| believed.key_data() == key.key_data()) {
            return Ok(true);
        }
        Err(GuardError::HostKey(key.fingerprint(HashAlg::Sha256).to_string()))
    }

    async fn disconnected(&mut self, reason: DisconnectReason<GuardError>) -> Result<(), GuardError> {
        let (reason, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                (format!("the sandbox said `{}`", printable(&info.message)), Ok(()))
            }
            DisconnectReason::Error(error) => (reason_of(&error, self.address), Err(error)),
        };
        let _ = self.fate.reason.set(reason);
        result
    }

    refuse! {
        server_channel_open_forwarded_tcpip(&str, u32, &str, u32);
        server_channel_open_forwarded_streamlocal(&str);
        server_channel_open_agent_forward();
        server_channel_open_session();
        server_channel_open_direct_tcpip(&str, u32, &str, u32);
        server_channel_open_direct_streamlocal(&str);
        server_channel_open_x11(&str, u32);
    }
}

fn reason_of(error: &GuardError, address: SocketAddr) -> String {
    match error {
        GuardError::Protocol(russh::Error::KeepaliveTimeout) => {
            format!("{address} answered none of {ALIVE_COUNT} keepalives")
        }
        GuardError::Protocol(russh::Error::HUP | russh::Error::Disconnect) => "the sandbox closed it".to_owned(),
        GuardError::Protocol(russh::Error::IO(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the sandbox closed it".to_owned()
        }
        other => printable(&other.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use russh::keys::key::safe_rng;
    use russh::keys::ssh_key::LineEnding;

    #[test]
    fn blank_lines_around_an_identity_do_no_harm() {
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let text = key.to_openssh(LineEnding::LF).unwrap();
        let read = identity(&format!("\n{}\n\n", text.as_str())).unwrap();
        assert_eq!(read.public_key(), key.public_key());
        assert!(identity("no key").is_err());
    }
}
