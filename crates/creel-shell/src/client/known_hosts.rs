//! Which host keys are trusted for an address. Pure.
//!
//! A line counts if its hosts, separated by commas, include the address itself, as `address` or `[address]:port`. Hashed names,
//! wildcards and certificate authorities match nothing: what is not understood is not trusted.

use std::net::SocketAddr;

use russh::keys::PublicKey;
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, KnownHosts, Marker};
use russh::keys::ssh_key::{Algorithm, Error};

/// The Ed25519 keys of the lines that name `address`, without those that another line revokes. A line that cannot be read is an
/// error: it could be the one that revokes a key.
pub fn trusted_keys(text: &str, address: SocketAddr) -> Result<Vec<PublicKey>, Error> {
    let entries: Vec<Entry> = KnownHosts::new(text).collect::<Result<_, _>>()?;
    let entries = entries.iter().filter(|entry| {
        entry.public_key().algorithm() == Algorithm::Ed25519 && matches(entry.host_patterns(), address)
    });
    let (mut trusted, mut revoked) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry.marker() {
            None => trusted.push(entry.public_key().clone()),
            Some(Marker::Revoked) => revoked.push(entry.public_key().key_data()),
            Some(Marker::CertAuthority) => {}
        }
    }
    trusted.retain(|key| !revoked.contains(&key.key_data()));
    Ok(trusted)
}

fn matches(hosts: &HostPatterns, address: SocketAddr) -> bool {
    match hosts {
        HostPatterns::Patterns(patterns) => patterns.iter().any(|pattern| is_address(pattern, address)),
        HostPatterns::HashedName { .. } => false,
    }
}

/// As with OpenSSH, a line without a port is valid for every port.
fn is_address(pattern: &str, address: SocketAddr) -> bool {
    match pattern.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        Some((ip, port)) => ip.parse() == Ok(address.ip()) && port.parse() == Ok(address.port()),
        None => pattern.parse() == Ok(address.ip()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn count(text: &str) -> usize {
        trusted_keys(text, "10.96.3.7:2222".parse().unwrap()).unwrap().len()
    }

    #[test]
    fn an_address_with_and_without_a_port_is_found() {
        for line in [
            format!("[10.96.3.7]:2222 ssh-ed25519 {KEY}"),
            format!("10.96.3.7 ssh-ed25519 {KEY} a comment"),
            format!("# comment\n\nother,[10.96.3.7]:2222 ssh-ed25519 {KEY}\n"),
        ] {
            assert_eq!(count(&line), 1, "{line}");
        }
        let ipv6 = "[fd00::7]:22".parse().unwrap();
        assert_eq!(trusted_keys(&format!("[fd00::7]:22 ssh-ed25519 {KEY}"), ipv6).unwrap().len(), 1);
    }

    #[test]
    fn what_is_not_understood_is_not_trusted() {
        for line in [
            "# the host key of the sandbox is not known yet".to_owned(),
            format!("[10.96.3.7]:2223 ssh-ed25519 {KEY}"),
            format!("[10.96.3.8]:2222 ssh-ed25519 {KEY}"),
            format!("* ssh-ed25519 {KEY}"),
            format!("!10.96.3.7 ssh-ed25519 {KEY}"),
            format!("@cert-authority 10.96.3.7 ssh-ed25519 {KEY}"),
            format!("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-ed25519 {KEY}"),
        ] {
            assert_eq!(count(&line), 0, "{line}");
        }
    }

    #[test]
    fn a_revoked_key_is_not_trusted() {
        let text = format!("10.96.3.7 ssh-ed25519 {KEY}\n@revoked 10.96.3.7 ssh-ed25519 {KEY}\n");
        assert_eq!(count(&text), 0);
    }

    #[test]
    fn a_line_that_cannot_be_read_makes_the_whole_text_unusable() {
        for line in
            ["10.96.3.7 ssh-ed25519 AAAA", "10.96.3.7 ssh-ed25519", "@other 10.96.3.7 ssh-ed25519 AAAA", "nonsense"]
        {
            let text = format!("10.96.3.7 ssh-ed25519 {KEY}\n{line}\n");
            assert!(trusted_keys(&text, "10.96.3.7:2222".parse().unwrap()).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", key in "[A-Za-z0-9+/=]{0,90}") {
            let address = "10.96.3.7:2222".parse().unwrap();
            let _ = trusted_keys(&text, address);
            let _ = trusted_keys(&format!("10.96.3.7 ssh-ed25519 {key}"), address);
        }
    }
}
