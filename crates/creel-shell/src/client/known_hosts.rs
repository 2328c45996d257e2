//! Which host keys are believed for an address. Pure.
//!
//! Of `known_hosts` (sshd(8)) understood are lines `<hosts> ssh-ed25519 <key>`, hosts being `address` or `[address]:port`
//! separated by commas, and `@revoked`. Hashed names, wildcards, certificate authorities and other kinds of keys never
//! match: they are skipped, so that what is not understood is not believed.

use std::net::SocketAddr;

use russh::keys::PublicKey;
use russh::keys::ssh_key::Algorithm;

/// The Ed25519 keys of the lines that name `address`, without those that a line revokes.
pub fn keys(text: &str, address: SocketAddr) -> Vec<PublicKey> {
    let mut believed = Vec::new();
    let mut revoked = Vec::new();
    for line in text.lines() {
        match entry(line, address) {
            Some((true, key)) => revoked.push(key),
            Some((false, key)) => believed.push(key),
            None => {}
        }
    }
    believed.retain(|key: &PublicKey| !revoked.iter().any(|other: &PublicKey| other.key_data() == key.key_data()));
    believed
}

/// Whether the line revokes, and its key; nothing if it says nothing about the address that is understood.
fn entry(line: &str, address: SocketAddr) -> Option<(bool, PublicKey)> {
    let mut words = line.split_whitespace();
    let first = words.next()?;
    let (revokes, hosts) = match first {
        "@revoked" => (true, words.next()?),
        _ if first.starts_with(['#', '@']) => return None,
        _ => (false, first),
    };
    let (algorithm, key) = (words.next()?, words.next()?);
    if algorithm != Algorithm::Ed25519.as_str() || !hosts.split(',').any(|host| names(host, address)) {
        return None;
    }
    let key = PublicKey::from_openssh(&format!("{algorithm} {key}")).ok()?;
    Some((revokes, key))
}

/// A line without a port holds for every port, as with OpenSSH.
fn names(host: &str, address: SocketAddr) -> bool {
    let ip = address.ip();
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once("]:"));
    match bracketed {
        Some((host, port)) => host.parse() == Ok(ip) && port.parse() == Ok(address.port()),
        None => host.parse() == Ok(ip),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn count(text: &str) -> usize {
        keys(text, "10.96.3.7:2222".parse().unwrap()).len()
    }

    #[test]
    fn an_address_with_and_without_port_is_found() {
        for line in [
            format!("[10.96.3.7]:2222 ssh-ed25519 {KEY}"),
            format!("10.96.3.7 ssh-ed25519 {KEY} a comment"),
            format!("# comment\n\nother,[10.96.3.7]:2222 ssh-ed25519 {KEY}\n"),
        ] {
            assert_eq!(count(&line), 1, "{line}");
        }
        assert_eq!(keys(&format!("[fd00::7]:22 ssh-ed25519 {KEY}"), "[fd00::7]:22".parse().unwrap()).len(), 1);
    }

    #[test]
    fn what_is_not_understood_is_not_believed() {
        for line in [
            format!("[10.96.3.7]:2223 ssh-ed25519 {KEY}"),
            format!("[10.96.3.8]:2222 ssh-ed25519 {KEY}"),
            format!("* ssh-ed25519 {KEY}"),
            format!("@cert-authority 10.96.3.7 ssh-ed25519 {KEY}"),
            format!("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-ed25519 {KEY}"),
            format!("10.96.3.7 ssh-rsa {KEY}"),
            "10.96.3.7 ssh-ed25519 AAAA".to_owned(),
            "10.96.3.7 ssh-ed25519".to_owned(),
        ] {
            assert_eq!(count(&line), 0, "{line}");
        }
    }

    #[test]
    fn a_revoked_key_is_not_believed() {
        assert_eq!(count(&format!("10.96.3.7 ssh-ed25519 {KEY}\n@revoked 10.96.3.7 ssh-ed25519 {KEY}\n")), 0);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", key in "[A-Za-z0-9+/=]{0,90}") {
            count(&text);
            count(&format!("10.96.3.7 ssh-ed25519 {key}"));
        }
    }
}
