//! Connections that have not logged in yet: where nothing enforces network policies, any Pod can open them. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a client has logged in; its connection holds the other reference.
pub type LoggedIn = Arc<AtomicBool>;

/// The connections that wait for their clients to log in, oldest first.
#[derive(Debug)]
pub struct Waiting<T> {
    limit: usize,
    connections: Vec<(IpAddr, LoggedIn, T)>,
}

impl<T> Waiting<T> {
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, connections: Vec::with_capacity(limit) }
    }

    /// Lets another one wait. Returns the one that has to go for it: the oldest of the address that has the most.
    pub fn admit(&mut self, peer: IpAddr, logged_in: LoggedIn, connection: T) -> Option<T> {
        // One that has ended has dropped its reference.
        self.connections
            .retain(|(_, logged_in, _)| Arc::strong_count(logged_in) > 1 && !logged_in.load(Ordering::Relaxed));
        self.connections.push((peer, logged_in, connection));
        if self.connections.len() <= self.limit {
            return None;
        }
        let mut counts = BTreeMap::<IpAddr, usize>::new();
        for (peer, ..) in &self.connections {
            *counts.entry(*peer).or_default() += 1;
        }
        let most = counts.into_values().max()?;
        let counted = |peer: &IpAddr| self.connections.iter().filter(|(other, ..)| other == peer).count();
        let oldest = self.connections.iter().position(|(peer, ..)| counted(peer) == most)?;
        Some(self.connections.remove(oldest).2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn who_holds_many_connections_open_displaces_only_his_own() {
        let (mut waiting, logged_in) = (Waiting::new(3), LoggedIn::default());
        assert_eq!(waiting.admit(address(1), logged_in.clone(), "gateway"), None);
        assert_eq!(waiting.admit(address(2), logged_in.clone(), "first"), None);
        assert_eq!(waiting.admit(address(2), logged_in.clone(), "second"), None);
        assert_eq!(waiting.admit(address(2), logged_in.clone(), "third"), Some("first"));
        assert_eq!(waiting.admit(address(3), logged_in.clone(), "another"), Some("second"));
        assert_eq!(waiting.admit(address(2), logged_in.clone(), "fourth"), Some("third"));
        assert_eq!(waiting.admit(address(2), logged_in, "fifth"), Some("fourth"));
    }

    #[test]
    fn whoever_has_logged_in_or_left_waits_no_longer() {
        let (mut waiting, here) = (Waiting::new(1), LoggedIn::default());
        let arrived = LoggedIn::default();
        assert_eq!(waiting.admit(address(1), arrived.clone(), 1), None);
        arrived.store(true, Ordering::Relaxed);
        let gone = LoggedIn::default();
        assert_eq!(waiting.admit(address(1), gone.clone(), 2), None);
        drop(gone);
        assert_eq!(waiting.admit(address(1), here.clone(), 3), None);
        assert_eq!(waiting.admit(address(1), here, 4), Some(3));
    }
}
