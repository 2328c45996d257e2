//! The DNS servers of the operator's own Pod, which are those of all Pods. Reads a file.

use std::fs;
use std::net::IpAddr;

const FILE: &str = "/etc/resolv.conf";

/// The DNS servers that this Pod asks. The kubelet writes the same ones into each Pod.
#[must_use]
pub fn dns_servers() -> Vec<IpAddr> {
    match fs::read_to_string(FILE) {
        Ok(text) => parse(&text),
        Err(error) => {
            tracing::warn!(file = FILE, %error, "cannot read the DNS servers of this Pod");
            Vec::new()
        }
    }
}

fn parse(text: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        // A zone names an interface of this Pod: `fe80::1%eth0`.
        let server = words.next().filter(|keyword| *keyword == "nameserver").and_then(|_| words.next())?;
        server.split('%').next()?.parse::<IpAddr>().ok()
    };
    // Whoever runs the operator outside of a cluster may have a resolver that no Pod reaches.
    let is_reached = |address: &IpAddr| !address.is_loopback() && !address.is_unspecified();
    text.lines().filter_map(address).filter(is_reached).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_and_everything_else_is_not() {
        let text = "search a.svc.cluster.local\nnameserver 169.254.20.10\n# nameserver 1.1.1.1\noptions ndots:5\n\
                    nameserver  fe80::1%eth0\nnameserver 127.0.0.53\nnameserver ::1\nnameserver a.name\nnameserver\n";
        let expected: Vec<IpAddr> = ["169.254.20.10", "fe80::1"].iter().filter_map(|it| it.parse().ok()).collect();
        assert_eq!(parse(text), expected);
    }
}
