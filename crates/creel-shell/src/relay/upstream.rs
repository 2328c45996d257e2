//! One request to the gateway, on a connection of its own: whoever drops it closes the connection, and the gateway then stops to work on
//! the answer. Touches the network of the Pod.

use std::net::SocketAddr;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::refusal::Refusal;

/// The connection; it ends when this is dropped.
pub type Connection = JoinSet<()>;

/// Sends the request, and waits for the head of the response.
pub async fn send(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, Connection), Refusal> {
    let unavailable = |_| Refusal::Unavailable;
    let stream = TcpStream::connect(address).await.map_err(|_| Refusal::Unavailable)?;
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(unavailable)?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        let _ = connection.await;
    });
    let response = sender.send_request(request).await.map_err(unavailable)?;
    Ok((response, driver))
}
