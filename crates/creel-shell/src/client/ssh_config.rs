//! The SSH configuration that OpenClaw writes for each call. Pure.
//!
//! OpenClaw 2026.9.6 writes one `Host` block (`createSshSandboxSessionFromSettings`), with these keywords for the settings that
//! the operator renders. Everything else is refused by name: what is not understood could lead the connection elsewhere or change
//! which host is trusted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::printable::printable;

/// The longest interval of keepalives. With OpenClaw's 15 s a call would hang for a minute when a node is lost; within a cluster,
/// one packet every five seconds costs nothing.
const MAX_ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// Lines with a value that this client needs.
const KEYWORDS: [&str; 7] =
    ["HostName", "Port", "ConnectTimeout", "ServerAliveInterval", "User", "UserKnownHostsFile", "IdentityFile"];

/// Lines that say how this client behaves in any case.
const FIXED: [(&str, &str); 5] = [
    ("BatchMode", "yes"),
    ("ServerAliveCountMax", "3"),
    ("StrictHostKeyChecking", "yes"),
    ("UpdateHostKeys", "no"),
    ("IdentitiesOnly", "yes"),
];

/// The configuration of one call.
#[derive(Debug, PartialEq, Eq)]
pub struct SshConfig {
    pub host_name: String,
    pub port: u16,
    pub user: String,
    pub identity_file: PathBuf,
    pub known_hosts_file: PathBuf,
    pub connect_timeout: Duration,
    pub alive_interval: Duration,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SshConfigError {
    #[error("the SSH configuration must begin with `Host {0}` and have no other `Host`")]
    Host(String),
    #[error("line {line} of the SSH configuration: `{text}` is not supported")]
    Unsupported { line: usize, text: String },
    #[error("the SSH configuration has no `{0}`; set sandbox.ssh as the operator does")]
    Missing(&'static str),
    #[error("`{0}` in the SSH configuration is not a number in its range")]
    Number(&'static str),
}

/// Reads the configuration of `host`.
pub fn parse(text: &str, host: &str) -> Result<SshConfig, SshConfigError> {
    let mut lines = (1..).zip(text.lines());
    if lines.next().is_none_or(|(_, line)| line != format!("Host {host}")) {
        return Err(SshConfigError::Host(host.to_owned()));
    }
    let mut values = BTreeMap::new();
    for (number, line) in lines {
        let (keyword, value) = line.trim_start().split_once(' ').unwrap_or_default();
        let is_understood = FIXED.contains(&(keyword, value))
            || KEYWORDS.contains(&keyword) && values.insert(keyword, unquoted(value)).is_none();
        if !is_understood {
            return Err(SshConfigError::Unsupported { line: number, text: printable(line.trim()) });
        }
    }
    let text = |keyword| values.get(keyword).copied().ok_or(SshConfigError::Missing(keyword));
    Ok(SshConfig {
        host_name: text("HostName")?.to_owned(),
        port: number("Port", text("Port")?)?,
        user: text("User")?.to_owned(),
        identity_file: text("IdentityFile")?.into(),
        known_hosts_file: text("UserKnownHostsFile")?.into(),
        connect_timeout: seconds("ConnectTimeout", text("ConnectTimeout")?)?,
        alive_interval: seconds("ServerAliveInterval", text("ServerAliveInterval")?)?.min(MAX_ALIVE_INTERVAL),
    })
}

/// OpenClaw quotes a path that has blanks in it, and refuses quotes in a path.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

fn number<T: FromStr>(keyword: &'static str, text: &str) -> Result<T, SshConfigError> {
    text.parse().map_err(|_| SshConfigError::Number(keyword))
}

/// Zero would mean no limit at all.
fn seconds(keyword: &'static str, text: &str) -> Result<Duration, SshConfigError> {
    match number::<u16>(keyword, text)? {
        0 => Err(SshConfigError::Number(keyword)),
        seconds => Ok(Duration::from_secs(seconds.into())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As OpenClaw 2026.9.6 writes it for a target with identity and known hosts as data.
    const OPENCLAW: &str = "Host openclaw-sandbox
  HostName 10.96.3.7
  Port 2222
  BatchMode yes
  ConnectTimeout 5
  ServerAliveInterval 15
  ServerAliveCountMax 3
  StrictHostKeyChecking yes
  UpdateHostKeys no
  User sandbox
  UserKnownHostsFile /tmp/openclaw/openclaw-sandbox-ssh-a1B2c3/known_hosts
  IdentityFile \"/tmp/open claw/identity\"
  IdentitiesOnly yes
";

    fn parsed(text: &str) -> Result<SshConfig, SshConfigError> {
        parse(text, "openclaw-sandbox")
    }

    fn message(text: &str) -> String {
        parsed(text).unwrap_err().to_string()
    }

    #[test]
    fn the_configuration_of_openclaw_is_read() {
        let expected = SshConfig {
            host_name: "10.96.3.7".into(),
            port: 2222,
            user: "sandbox".into(),
            identity_file: "/tmp/open claw/identity".into(),
            known_hosts_file: "/tmp/openclaw/openclaw-sandbox-ssh-a1B2c3/known_hosts".into(),
            connect_timeout: Duration::from_secs(5),
            alive_interval: Duration::from_secs(5),
        };
        assert_eq!(parsed(OPENCLAW), Ok(expected));
    }

    #[test]
    fn a_shorter_keepalive_is_kept() {
        let config = parsed(&OPENCLAW.replace("Interval 15", "Interval 2")).unwrap();
        assert_eq!(config.alive_interval, Duration::from_secs(2));
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for line in [
            "ProxyCommand sh -c evil",
            "StrictHostKeyChecking no",
            "CertificateFile /tmp/certificate.pub",
            "HostName 10.96.3.8",
            "Host *",
            "Match all",
            "Include other",
            "hostkeyalias=other",
            "# a comment",
            "Port",
        ] {
            let text = format!("{OPENCLAW}  {line}\n");
            assert_eq!(message(&text), format!("line 14 of the SSH configuration: `{line}` is not supported"));
        }
    }

    #[test]
    fn another_host_and_an_empty_configuration_are_refused() {
        let expected = "the SSH configuration must begin with `Host openclaw-sandbox` and have no other `Host`";
        for text in ["", "  Port 2222\n", &OPENCLAW.replace("openclaw-sandbox\n", "other\n")] {
            assert_eq!(message(text), expected);
        }
    }

    #[test]
    fn each_line_that_is_needed_is_missed_by_name() {
        for keyword in KEYWORDS {
            let is_other = |line: &&str| !line.trim_start().starts_with(&format!("{keyword} "));
            let lines: Vec<_> = OPENCLAW.lines().filter(is_other).collect();
            assert!(
                message(&lines.join("\n")).starts_with(&format!("the SSH configuration has no `{keyword}`")),
                "{keyword}"
            );
        }
    }

    #[test]
    fn numbers_out_of_their_range_are_refused() {
        for (good, bad, keyword) in [
            ("Port 2222", "Port 70000", "Port"),
            ("ConnectTimeout 5", "ConnectTimeout 0", "ConnectTimeout"),
            ("Interval 15", "Interval 1m", "ServerAliveInterval"),
        ] {
            assert_eq!(parsed(&OPENCLAW.replace(good, bad)), Err(SshConfigError::Number(keyword)));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", lines in prop::collection::vec("[a-zA-Z]{0,20}[ =\t]{0,3}[ -~]{0,40}", 0..20)) {
            let _ = parsed(&text);
            let _ = parsed(&format!("Host openclaw-sandbox\n{}", lines.join("\n")));
        }
    }
}
