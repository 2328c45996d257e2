//! The addresses of the test cluster are its own.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The last of the range, which no Service of a test gets soon.
const NOBODY: ([u8; 4], u16) = ([10, 96, 255, 254], 80);

#[test]
fn an_address_of_no_service_is_answered_by_nobody() {
    let answered = TcpStream::connect_timeout(&SocketAddr::from(NOBODY), Duration::from_secs(5));
    assert!(answered.is_err(), "somebody outside of the cluster answers for {NOBODY:?}");
}
