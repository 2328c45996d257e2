//! Reads the clients again when their file changes: the kubelet replaces it while the Pod runs. Touches the disk.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::clients::Clients;
use super::service::Relay;
use crate::log;

/// How soon a change is in force once the kubelet has written it.
const INTERVAL: Duration = Duration::from_secs(1);

/// The contents of the two files; `None`: one of them is not there.
type Seen = Option<(Vec<u8>, Vec<u8>)>;

/// Keeps the clients as the files say, for ever.
pub async fn watch(clients: &Path, key: &Path, relay: &Relay) {
    let mut seen: Option<Seen> = None;
    loop {
        let now = fs::read(clients).ok().zip(fs::read(key).ok());
        if seen.as_ref() != Some(&now) {
            take_up(now.as_ref(), relay);
            seen = Some(now);
        }
        sleep(INTERVAL).await;
    }
}

/// Without the files nobody is a client; with a file that cannot be read as clients, everybody stays who was one.
pub fn take_up(files: Option<&(Vec<u8>, Vec<u8>)>, relay: &Relay) {
    let before = relay.clients();
    let clients = match files {
        Some((document, key)) => Clients::parse(document, key, &before),
        None => Ok(Clients::default()),
    };
    match clients {
        Ok(clients) => {
            let names: Vec<&str> = clients.all().iter().map(|client| client.name.as_str()).collect();
            log::event(format_args!(
                "clients: {}",
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            ));
            relay.set_clients(Arc::new(clients));
        }
        Err(error) => log::event(format_args!("the clients stay as they are: cannot read their file: {error}")),
    }
}
