//! Runs a program to its end and keeps what it said, so that a failure can be explained in its own words.
//! Starts processes; standard input is always empty.

use std::ffi::OsStr;
use std::process::{ExitStatus, Stdio};

use tokio::process::Command;

/// So many last lines of a failed program are quoted.
const QUOTED_LINES: usize = 25;

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("`{program}` cannot be started: {source}")]
    Start { program: String, source: std::io::Error },
    #[error("`{line}` failed ({status}):\n{tail}")]
    Failed { line: String, status: ExitStatus, tail: String },
}

/// Runs `command` and returns its standard output.
pub async fn run(command: &mut Command) -> Result<String, CommandError> {
    let output = command.stdin(Stdio::null()).output().await.map_err(|source| CommandError::Start {
        program: command.as_std().get_program().to_string_lossy().into_owned(),
        source,
    })?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    // npm and go tell some errors on standard output.
    let said = if stderr.trim().is_empty() { stdout.as_str() } else { &*stderr };
    Err(CommandError::Failed { line: line(command), status: output.status, tail: tail(said, QUOTED_LINES) })
}

/// The command as a person would type it, without its environment.
fn line(command: &Command) -> String {
    let command = command.as_std();
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The last `lines` lines of `text`.
#[must_use]
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// At most so many characters of `text`; a mark shows that there was more.
#[must_use]
pub fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_tail_is_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
        assert_eq!(tail("", 2), "");
    }

    #[test]
    fn what_is_cut_shows_it() {
        assert_eq!(cut("äbc", 2), "äb…");
        assert_eq!(cut("äb", 2), "äb");
    }

    #[tokio::test]
    async fn a_failure_is_told_in_the_programs_own_words() {
        let error = run(Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"])).await.unwrap_err();
        assert!(error.to_string().contains("no such thing"), "{error}");
    }
}
