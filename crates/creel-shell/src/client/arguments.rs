//! The arguments that OpenClaw gives to `ssh.command`. Pure.

use std::ffi::OsString;
use std::path::PathBuf;

/// What a call shall do.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The configuration that OpenClaw wrote for this call.
    pub configuration: PathBuf,
    /// Whether the remote command gets a terminal (`-tt`).
    pub terminal: bool,
    /// The alias whose `Host` block of the configuration applies: `openclaw-sandbox`.
    pub host: String,
    /// One string for the remote shell.
    pub command: String,
}

/// Why the arguments were refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArgumentsError {
    #[error("an argument is not UTF-8")]
    Encoding,
    #[error(
        "the arguments must be `-F <configuration> -T -o RequestTTY=no <host> <command>` or \
         `-F <configuration> -tt -o RequestTTY=force <host> <command>`, as OpenClaw's ssh sandbox backend gives them"
    )]
    Shape,
}

/// Reads exactly the two forms that OpenClaw 2026.9.6 produces (`buildSshSandboxArgv`). Anything else would be a wish that
/// this client cannot fulfil, so it is refused instead of guessed.
pub fn parse(arguments: Vec<OsString>) -> Result<Arguments, ArgumentsError> {
    let words: Vec<String> = arguments
        .into_iter()
        .map(OsString::into_string)
        .collect::<Result<_, _>>()
        .map_err(|_| ArgumentsError::Encoding)?;
    let words: [String; 7] = words.try_into().map_err(|_| ArgumentsError::Shape)?;
    let [file, configuration, terminal, option, request, host, command] = words;
    let terminal = match (file.as_str(), terminal.as_str(), option.as_str(), request.as_str()) {
        ("-F", "-T", "-o", "RequestTTY=no") => false,
        ("-F", "-tt", "-o", "RequestTTY=force") => true,
        _ => return Err(ArgumentsError::Shape),
    };
    if host.is_empty() || host.starts_with('-') {
        return Err(ArgumentsError::Shape);
    }
    Ok(Arguments { configuration: configuration.into(), terminal, host, command })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Arguments, ArgumentsError> {
        parse(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn both_forms_of_openclaw_are_read() {
        let plain = parsed(&["-F", "/c", "-T", "-o", "RequestTTY=no", "openclaw-sandbox", "echo 'a b'"]).unwrap();
        let expected = Arguments {
            configuration: "/c".into(),
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
