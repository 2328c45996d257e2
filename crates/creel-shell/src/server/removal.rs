//! Recognises the command by which OpenClaw removes a sandbox. Touches nothing.
//!
//! Its prune and `openclaw sandbox recreate` run `'/bin/sh' '-c' 'rm -rf -- "$1"' 'openclaw-sandbox-remove' '<root>'`,
//! where the root holds the workspace that lives on the gateway's claim (OpenClaw 2026.9.6, `removeRuntime` of the ssh
//! backend). This keeps OpenClaw from an accident; an agent may still remove what it may write to.

use shlex::bytes::Shlex;

/// The name that OpenClaw gives to the shell that removes a sandbox.
const MARKER: &[u8] = b"openclaw-sandbox-remove";

/// What is said to whoever reads it. OpenClaw does only when the call fails.
pub const ANSWER: &str = "creel-shell: the workspace is mounted here and is kept; nothing was removed\n";

/// The call succeeds: a failure would make `recreate` fail, and prune try again every five minutes. Success only takes
/// the sandbox off OpenClaw's register; the next use registers it again and finds the directory as it was.
pub const STATUS: u32 = 0;

/// Whether `command` is a shell with a script, named as OpenClaw names it for a removal.
#[must_use]
pub fn is_removal(command: &[u8]) -> bool {
    let mut words = Shlex::new(command);
    let shell = words.next();
    let flag = words.next();
    let _script = words.next();
    let name = words.next();
    shell.as_deref() == Some(b"/bin/sh") && flag.as_deref() == Some(b"-c") && name.as_deref() == Some(MARKER)
}

#[cfg(test)]
mod tests {
    use super::is_removal;

    #[test]
    fn the_command_of_openclaw_is_a_removal() {
        assert!(is_removal(
            br#"'/bin/sh' '-c' 'rm -rf -- "$1"' 'openclaw-sandbox-remove' '/workspaces/openclaw-ssh-workspace-7c'"#
        ));
    }

    #[test]
    fn a_command_that_only_mentions_it_is_not() {
        assert!(!is_removal(b"'/bin/sh' '-c' 'grep openclaw-sandbox-remove log' 'openclaw-sandbox-exec'"));
        assert!(!is_removal(b"echo openclaw-sandbox-remove"));
        assert!(!is_removal(b"'/bin/sh' '-c' 'unfinished"));
        assert!(!is_removal(b""));
    }
}
