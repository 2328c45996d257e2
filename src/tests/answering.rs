//! A gateway of which a test says what it answers. Touches the network: the loopback address.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is answered to the body of a call.
pub type Answer = Arc<dyn Fn(&Value) -> Value + Send + Sync>;

/// Answers on the loopback address for as long as the runtime lives.
pub async fn start(answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&answer)));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, answer: Answer) {
    let (mut request, mut part) = (Vec::new(), [0; 4096]);
    let call = loop {
        let read = stream.read(&mut part).await.unwrap_or_default();
        request.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&request);
        let call = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str::<Value>(body).ok());
        match call {
            Some(call) => break call,
            None if read == 0 => return,
            None => {}
        }
    };
    let body = answer(&call).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // The client may hang up as soon as it has read enough.
    let _ = stream.write_all((head + &body).as_bytes()).await;
}
