//! The arguments that OpenClaw gives to `ssh.command`. Pure.

use std::ffi::OsString;
use std::path::PathBuf;

/// One call.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The SSH configuration that OpenClaw wrote for this call.
    pub config: PathBuf,
    /// Whether the remote command gets a terminal (`-tt`).
    pub terminal: bool,
    /// The host as the configuration names it: `openclaw-sandbox`.
    pub host: String,
    /// The command line for the remote shell.
    pub command: String,
}

/// Why the arguments are refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArgumentsError {
    #[error("an argument is not UTF-8 text")]
    Encoding,
    #[error(
        "the arguments must be `-F <config> -T -o RequestTTY=no <host> <command>` or \
         `-F <config> -tt -o RequestTTY=force <host> <command>`, as OpenClaw's ssh sandbox backend passes them"
    )]
    Shape,
}

/// Reads exactly the two forms that OpenClaw 2026.9.6 uses (`buildSshSandboxArgv`). Everything else is refused, because this client
/// does not implement it.
pub fn parse(arguments: Vec<OsString>) -> Result<Arguments, ArgumentsError> {
    let words: Vec<String> = arguments
        .into_iter()
        .map(OsString::into_string)
        .collect::<Result<_, _>>()
        .map_err(|_| ArgumentsError::Encoding)?;
    let words: [String; 7] = words.try_into().map_err(|_| ArgumentsError::Shape)?;
    let [file, config, terminal, option, request, host, command] = words;
    let terminal = match (file.as_str(), terminal.as_str(), option.as_str(), request.as_str()) {
        ("-F", "-T", "-o", "RequestTTY=no") => false,
        ("-F", "-tt", "-o", "RequestTTY=force") => true,
        _ => return Err(ArgumentsError::Shape),
    };
    if host.is_empty() || host.starts_with('-') {
        return Err(ArgumentsError::Shape);
    }
    Ok(Arguments { config: config.into(), terminal, host, command })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Arguments, ArgumentsError> {
        parse(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn both_forms_that_openclaw_uses_are_read() {
        let plain = parsed(&["-F", "/c", "-T", "-o", "RequestTTY=no", "openclaw-sandbox", "echo 'a b'"]).unwrap();
        let expected = Arguments {
            config: "/c".into(),
            terminal: false,
            host: "openclaw-sandbox".into(),
            command: "echo 'a b'".into(),
        };
        assert_eq!(plain, expected);
        let terminal = parsed(&["-F", "/c", "-tt", "-o", "RequestTTY=force", "openclaw-sandbox", "top"]).unwrap();
        assert!(terminal.terminal);
    }

    #[test]
    fn anything_else_is_refused() {
        for words in [
            &["-F", "/c", "-T", "-o", "RequestTTY=no", "openclaw-sandbox"][..],
            &["-F", "/c", "-T", "-o", "RequestTTY=force", "openclaw-sandbox", "x"],
            &["-F", "/c", "-T", "-o", "ProxyCommand=x", "openclaw-sandbox", "x"],
            &["-F", "/c", "-T", "-o", "RequestTTY=no", "-oProxyCommand=x", "x"],
            &["-F", "/c", "-T", "-o", "RequestTTY=no", "openclaw-sandbox", "x", "y"],
            &[],
        ] {
            assert_eq!(parsed(words), Err(ArgumentsError::Shape), "{words:?}");
        }
    }
}
