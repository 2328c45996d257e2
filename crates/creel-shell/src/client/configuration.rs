//! The ssh configuration that OpenClaw writes for each call. Pure.
//!
//! Understood is what OpenClaw 2026.9.6 writes (`createSshSandboxSessionFromSettings`), in the syntax of `ssh_config(5)`: a
//! keyword in any case, then blanks or one `=`, then values, quoted where they hold blanks; the first value of a keyword
//! counts. Keywords that would lead the connection elsewhere or change whom it trusts are refused; all others are ignored,
//! because without them only less can happen.

use std::path::PathBuf;
use std::time::Duration;

/// The largest configuration that is read, in bytes. OpenClaw's has a few hundred.
pub const LIMIT: usize = 64 * 1024;

const DEFAULT_PORT: u16 = 22;
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The interval of keepalives, if the configuration has no shorter one. OpenClaw's 15 s would leave a call hanging for a
/// minute when a node is lost; within a cluster a packet every five seconds costs nothing.
const LONGEST_ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// The longest `ConnectTimeout`: more is a typing error, and a call must end in a time that somebody waits.
const LONGEST_CONNECT_TIMEOUT: Duration = Duration::from_mins(5);

/// Refused, each for a reason: they start other programs, go other ways, or change who is believed.
const REFUSED: [&str; 10] = [
    "certificatefile",
    "hostkeyalias",
    "include",
    "knownhostscommand",
    "match",
    "pkcs11provider",
    "proxycommand",
    "proxyjump",
    "revokedhostkeys",
    "securitykeyprovider",
];

/// The configuration of one call.
#[derive(Debug, PartialEq, Eq)]
pub struct Configuration {
    pub host_name: String,
    pub port: u16,
    pub user: String,
    pub identity_file: PathBuf,
    pub known_hosts_file: PathBuf,
    pub connect_timeout: Duration,
    pub alive_interval: Duration,
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigurationError {
    #[error("the ssh configuration has more than {LIMIT} bytes")]
    TooLarge,
    #[error("line {0} of the ssh configuration has a quote that is not closed")]
    Quote(usize),
    #[error("line {line} of the ssh configuration: `{keyword}` needs exactly one value")]
    Values { line: usize, keyword: &'static str },
    #[error("line {line} of the ssh configuration: the value of `{keyword}` is not a number in its range")]
    Number { line: usize, keyword: &'static str },
    #[error("line {0} of the ssh configuration: patterns are not supported in `Host`; name the host itself")]
    Pattern(usize),
    #[error("line {line} of the ssh configuration: `{keyword}` is not supported; take it out")]
    Refused { line: usize, keyword: &'static str },
    #[error("the ssh configuration has no `{keyword}` for this host; {remedy}")]
    Missing { keyword: &'static str, remedy: &'static str },
}

/// What has been found so far; the first value of each keyword stays.
#[derive(Default)]
struct Found {
    host_name: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    identity_file: Option<String>,
    known_hosts_file: Option<String>,
    connect_timeout: Option<u16>,
    alive_interval: Option<u16>,
}

/// Reads what applies to `host`: all before the first `Host` line, and the blocks that name it.
pub fn parse(text: &str, host: &str) -> Result<Configuration, ConfigurationError> {
    if text.len() > LIMIT {
        return Err(ConfigurationError::TooLarge);
    }
    let mut found = Found::default();
    let mut applies = true;
    for (line, content) in (1..).zip(text.lines()) {
        let (keyword, values) = split(content).ok_or(ConfigurationError::Quote(line))?;
        if keyword == "host" {
            applies = names(&values, host).ok_or(ConfigurationError::Pattern(line))?;
        } else if let Some(refused) = REFUSED.iter().find(|refused| **refused == keyword) {
            return Err(ConfigurationError::Refused { line, keyword: refused });
        } else if applies {
            found.take(line, &keyword, &values)?;
        }
    }
    found.complete()
}

impl Found {
    fn take(&mut self, line: usize, keyword: &str, values: &[String]) -> Result<(), ConfigurationError> {
        match keyword {
            "hostname" => text(&mut self.host_name, line, "HostName", values),
            "user" => text(&mut self.user, line, "User", values),
            "identityfile" => text(&mut self.identity_file, line, "IdentityFile", values),
            "userknownhostsfile" => text(&mut self.known_hosts_file, line, "UserKnownHostsFile", values),
            "port" => number(&mut self.port, line, "Port", values),
            "connecttimeout" => number(&mut self.connect_timeout, line, "ConnectTimeout", values),
            "serveraliveinterval" => number(&mut self.alive_interval, line, "ServerAliveInterval", values),
            _ => Ok(()),
        }
    }

    fn complete(self) -> Result<Configuration, ConfigurationError> {
        let missing = |keyword, remedy| ConfigurationError::Missing { keyword, remedy };
        let duration = |seconds: Option<u16>| seconds.filter(|s| *s > 0).map(|s| Duration::from_secs(s.into()));
        Ok(Configuration {
            host_name: self.host_name.ok_or(missing("HostName", "set sandbox.ssh.target"))?,
            port: self.port.unwrap_or(DEFAULT_PORT),
            user: self.user.ok_or(missing("User", "give sandbox.ssh.target as user@address:port"))?,
            identity_file: self
                .identity_file
                .ok_or(missing("IdentityFile", "set sandbox.ssh.identityData or identityFile"))?
                .into(),
            known_hosts_file: self
                .known_hosts_file
                .ok_or(missing("UserKnownHostsFile", "set sandbox.ssh.knownHostsData or knownHostsFile"))?
                .into(),
            connect_timeout: duration(self.connect_timeout)
                .unwrap_or(DEFAULT_CONNECT_TIMEOUT)
                .min(LONGEST_CONNECT_TIMEOUT),
            alive_interval: duration(self.alive_interval).unwrap_or(LONGEST_ALIVE_INTERVAL).min(LONGEST_ALIVE_INTERVAL),
        })
    }
}

fn text(
    found: &mut Option<String>,
    line: usize,
    keyword: &'static str,
    values: &[String],
) -> Result<(), ConfigurationError> {
    let [value] = values else { return Err(ConfigurationError::Values { line, keyword }) };
    if value.is_empty() {
        return Err(ConfigurationError::Values { line, keyword });
    }
    found.get_or_insert_with(|| value.clone());
    Ok(())
}

fn number(
    found: &mut Option<u16>,
    line: usize,
    keyword: &'static str,
    values: &[String],
) -> Result<(), ConfigurationError> {
    let [value] = values else { return Err(ConfigurationError::Values { line, keyword }) };
    let number = value.parse().map_err(|_| ConfigurationError::Number { line, keyword })?;
    found.get_or_insert(number);
    Ok(())
}

/// Whether a `Host` line names the host, or nothing if it has patterns.
fn names(values: &[String], host: &str) -> Option<bool> {
    if values.iter().any(|value| value.contains(['*', '?', '!'])) {
        return None;
    }
    Some(values.iter().any(|value| value == host))
}

/// The keyword in lower case and its values; both empty for an empty line or a comment; nothing if a quote stays open.
fn split(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.trim();
    if line.starts_with('#') {
        return Some((String::new(), Vec::new()));
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    Some((keyword.to_ascii_lowercase(), values(rest.strip_prefix('=').unwrap_or(rest))?))
}

fn values(mut rest: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(values);
        }
        let value;
        (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        values.push(value.to_owned());
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

    fn parsed(text: &str) -> Result<Configuration, ConfigurationError> {
        parse(text, "openclaw-sandbox")
    }

    #[test]
    fn the_configuration_of_openclaw_is_read() {
        let expected = Configuration {
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
    fn the_first_value_counts_and_other_hosts_do_not() {
        let text = format!("Host other\nPort 1\nHost x openclaw-sandbox\nport=3\n{OPENCLAW}");
        assert_eq!(parsed(&text).unwrap().port, 3);
    }

    #[test]
    fn a_shorter_keepalive_is_honoured_and_zero_is_not() {
        let with = |interval: &str| parsed(&OPENCLAW.replace("Interval 15", interval)).unwrap().alive_interval;
        assert_eq!(with("Interval 2"), Duration::from_secs(2));
        assert_eq!(with("Interval 0"), Duration::from_secs(5));
    }

    #[test]
    fn what_leads_elsewhere_is_refused_even_for_other_hosts() {
        let text = format!("{OPENCLAW}Host other\n  ProxyCommand sh -c evil\n");
        let error = parsed(&text).unwrap_err();
        assert_eq!(error, ConfigurationError::Refused { line: 15, keyword: "proxycommand" });
    }

    #[test]
    fn faults_name_line_and_remedy() {
        for (text, message) in [
            ("User \"open", "line 1 of the ssh configuration has a quote that is not closed"),
            ("\nPort 70000", "line 2 of the ssh configuration: the value of `Port` is not a number in its range"),
            ("Port 1 2", "line 1 of the ssh configuration: `Port` needs exactly one value"),
            ("Host *", "line 1 of the ssh configuration: patterns are not supported in `Host`; name the host itself"),
            ("", "the ssh configuration has no `HostName` for this host; set sandbox.ssh.target"),
        ] {
            assert_eq!(parsed(text).unwrap_err().to_string(), message);
        }
        assert_eq!(parsed(&" ".repeat(LIMIT + 1)), Err(ConfigurationError::TooLarge));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", lines in prop::collection::vec("[a-zA-Z]{0,20}[ =\t]{0,3}[ -~]{0,40}", 0..20)) {
            let _ = parsed(&text);
            let _ = parsed(&lines.join("\n"));
        }

        #[test]
        fn quoted_and_bare_values_are_the_same(value in "[!#-~]{1,40}") {
            prop_assume!(!value.starts_with('='));
            let bare = split(&format!("User {value}"));
            prop_assert_eq!(&bare, &split(&format!("user  = \"{value}\" ")));
            prop_assert_eq!(bare, Some(("user".to_owned(), vec![value])));
        }
    }
}
