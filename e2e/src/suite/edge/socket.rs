//! A WebSocket to the exposed host, over TLS through a proxy. Touches the network: the proxy, at its Pod's address.

use std::net::SocketAddr;
use std::sync::Arc;

use gateway_stand_in::contract::socket::Socket;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{EXPOSED_HOST, Edge, Part, TLS_PORT};

/// A WebSocket over TLS.
pub type Connection = Socket<TlsStream<TcpStream>>;

impl Edge {
    /// Opens a WebSocket through this proxy, which must have the certificate of the exposed host, as a page of this origin or as a program
    /// does; with the gateway's challenge. `Err`: why there is none.
    pub async fn connect(&self, proxy: Part, origin: Option<&str>) -> Result<(Connection, Value), String> {
        let address = SocketAddr::new(self.running(proxy, None).await.1, TLS_PORT);
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let name = ServerName::try_from(EXPOSED_HOST).expect("a host");
        let stream = trusting(&self.certificate).connect(name, stream).await.map_err(|error| error.to_string())?;
        Socket::over(stream, &format!("wss://{EXPOSED_HOST}/"), origin).await
    }
}

/// Trusts this certificate alone.
fn trusting(certificate: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    TlsConnector::from(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}
