//! One SSH connection to a sandbox. The sandbox is not trusted: its host key is verified, and everything that it requests is refused.
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

/// How many bytes the sandbox may send on a channel before it has to wait. Small, because what a call does not read has to be buffered;
/// with a round trip of a tenth of a millisecond within a cluster, it still allows more than a gigabyte per second.
pub const WINDOW: u32 = 128 * 1024;

/// How many packets are buffered per channel.
const CHANNEL_BUFFER: usize = 4;

/// How many keepalives may stay unanswered.
const MAX_KEEPALIVES: usize = 3;

/// Between two attempts while connections are refused.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("the identity is not an Ed25519 private key in OpenSSH's format without a passphrase: {0}")]
    Identity(String),
    #[error(
        "known_hosts has no ssh-ed25519 key for [{ip}]:{port}, so the sandbox cannot be verified; set sandbox.ssh.knownHostsData",
        ip = .0.ip(), port = .0.port()
    )]
    UnknownHost(SocketAddr),
    #[error("cannot read known_hosts: {0}; set sandbox.ssh.knownHostsData")]
    KnownHosts(String),
    #[error("cannot reach the sandbox {0}: {1}")]
    Unreachable(SocketAddr, #[source] std::io::Error),
    #[error("the sandbox {0} did not complete the SSH handshake within {seconds} s", seconds = .1.as_secs())]
    Timeout(SocketAddr, Duration),
    #[error(
        "host key verification failed: {0} has the key {1}, which is not in known_hosts; it is another host, or its host key has changed"
    )]
    HostKey(SocketAddr, String),
    #[error("the sandbox {0} refused the client key of user `{1}`")]
    Refused(SocketAddr, String),
    #[error("the SSH handshake with the sandbox {0} failed: {1}")]
    Handshake(SocketAddr, String),
}

/// An authenticated connection.
pub struct Connection {
    handle: Handle<ClientHandler>,
    closed: Arc<Closed>,
}

/// Whether a connection is closed, and why.
#[derive(Default)]
struct Closed {
    reason: OnceLock<String>,
    notify: Notify,
}

impl Connection {
    /// Connects and authenticates within the connect timeout of the target.
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

    /// Waits until the connection is lost.
    pub async fn lost(&self) {
        let closed = self.closed.notify.notified();
        if !self.is_lost() {
            closed.await;
        }
    }

    /// Why the connection was lost.
    pub fn close_reason(&self) -> &str {
        self.closed.reason.get().map_or("the sandbox closed it", String::as_str)
    }
}

async fn connect(target: &Target) -> Result<Connection, ConnectionError> {
    let address = target.address;
    let identity = identity(&target.identity)?;
    let host_keys = known_hosts::trusted_keys(&target.known_hosts, address)
        .map_err(|error| ConnectionError::KnownHosts(error.to_string()))?;
    if host_keys.is_empty() {
        return Err(ConnectionError::UnknownHost(address));
    }
    let write_timeout = target.alive_interval * u32::try_from(MAX_KEEPALIVES + 1).unwrap_or(u32::MAX);
    let tcp = connect_tcp(address, target.connect_timeout).await?;
    let transport = Transport::new(tcp, write_timeout).map_err(|error| ConnectionError::Unreachable(address, error))?;

    let closed = Arc::new(Closed::default());
    let handler = ClientHandler { address, host_keys, closed: Arc::clone(&closed) };
    let mut handle = client::connect_stream(Arc::new(config(target)), transport, handler)
        .await
        .map_err(|error| handshake_error(address, error))?;
    let key = PrivateKeyWithHashAlg::new(Arc::new(identity), None);
    let result = handle.authenticate_publickey(&target.user, key).await;
    match result.map_err(|error| ConnectionError::Handshake(address, printable(&error.to_string())))? {
        AuthResult::Success => Ok(Connection { handle, closed }),
        AuthResult::Failure { .. } => Err(ConnectionError::Refused(address, printable(&target.user))),
    }
}

/// Retries while connections are refused: that is what happens for a moment when a sandbox is replaced.
async fn connect_tcp(address: SocketAddr, timeout: Duration) -> Result<TcpStream, ConnectionError> {
    let until = Instant::now() + timeout.saturating_sub(RETRY_INTERVAL * 2);
    loop {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused && Instant::now() < until => {
                sleep(RETRY_INTERVAL).await;
            }
            Err(error) => return Err(ConnectionError::Unreachable(address, error)),
        }
    }
}

/// Like `ssh`, ignores blank lines around the key: writing a variable to a file may add one.
fn identity(text: &str) -> Result<PrivateKey, ConnectionError> {
    let key = PrivateKey::from_openssh(text.trim()).map_err(|error| ConnectionError::Identity(error.to_string()))?;
    if key.is_encrypted() {
        return Err(ConnectionError::Identity("it has a passphrase".to_owned()));
    }
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(ConnectionError::Identity(format!("its type is {}", key.algorithm())));
    }
    Ok(key)
}

/// Only Ed25519, because both ends belong to Creel; no Diffie-Hellman groups that the server chooses; no compression.
fn config(target: &Target) -> client::Config {
    client::Config {
        window_size: WINDOW,
        channel_buffer_size: CHANNEL_BUFFER,
        keepalive_interval: Some(target.alive_interval),
        keepalive_max: MAX_KEEPALIVES,
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

/// Why the connection was closed.
#[derive(Debug, thiserror::Error)]
enum HandlerError {
    #[error("unknown host key {0}")]
    HostKey(String),
    #[error(transparent)]
    Protocol(#[from] russh::Error),
}

fn handshake_error(address: SocketAddr, error: HandlerError) -> ConnectionError {
    match error {
        HandlerError::HostKey(key) => ConnectionError::HostKey(address, key),
        HandlerError::Protocol(error) => ConnectionError::Handshake(address, printable(&error.to_string())),
    }
}

/// Verifies the host key and refuses all requests of the sandbox.
struct ClientHandler {
    address: SocketAddr,
    host_keys: Vec<PublicKey>,
    closed: Arc<Closed>,
}

impl Drop for ClientHandler {
    /// russh drops the handler when the connection ends for any reason, after its channels have become unusable.
    fn drop(&mut self) {
        self.closed.notify.notify_waiters();
    }
}

/// By default, russh accepts every channel that a server opens. Dropping the handle refuses it.
macro_rules! refuse {
    ($($name:ident($($argument:ty),*);)*) => {
        $(async fn $name(
            &mut self,
            _: Channel<Msg>,
            $(_: $argument,)*
            refused: ChannelOpenHandle,
            _: &mut Session,
        ) -> Result<(), HandlerError> {
            drop(refused);
            Ok(())
        })*
    };
}

impl client::Handler for ClientHandler {
    type Error = HandlerError;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, HandlerError> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = presented else {
            return Err(HandlerError::HostKey("of a certificate".to_owned()));
        };
        if self.host_keys.iter().any(|trusted| trusted.key_data() == key.key_data()) {
            return Ok(true);
        }
        Err(HandlerError::HostKey(key.fingerprint(HashAlg::Sha256).to_string()))
    }

    async fn disconnected(&mut self, reason: DisconnectReason<HandlerError>) -> Result<(), HandlerError> {
        let (reason, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                (format!("the sandbox said `{}`", printable(&info.message)), Ok(()))
            }
            DisconnectReason::Error(error) => (close_reason(&error, self.address), Err(error)),
        };
        let _ = self.closed.reason.set(reason);
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

fn close_reason(error: &HandlerError, address: SocketAddr) -> String {
    match error {
        HandlerError::Protocol(russh::Error::KeepaliveTimeout) => {
            format!("{address} answered none of {MAX_KEEPALIVES} keepalives")
        }
        HandlerError::Protocol(russh::Error::HUP | russh::Error::Disconnect) => "the sandbox closed it".to_owned(),
        HandlerError::Protocol(russh::Error::IO(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
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
    fn blank_lines_around_an_identity_are_ignored() {
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let text = key.to_openssh(LineEnding::LF).unwrap();
        let read = identity(&format!("\n{}\n\n", text.as_str())).unwrap();
        assert_eq!(read.public_key(), key.public_key());
        assert!(identity("no key").is_err());
    }
}
