//! Recognizes the command with which OpenClaw removes a sandbox. Touches nothing.
//!
//! Pruning and `openclaw sandbox recreate` run `'/bin/sh' '-c' 'rm -rf -- "$1"' 'openclaw-sandbox-remove' '<root>'`, where the root
//! contains the workspace, which is on the gateway's volume (OpenClaw 2026.9.6, `removeRuntime` of the ssh backend). This protects
//! against an accident of OpenClaw; an agent can still remove what it can write to.

use shlex::bytes::Shlex;

/// The name (`$0`) that OpenClaw gives to the shell that removes a sandbox.
const SHELL_NAME: &[u8] = b"openclaw-sandbox-remove";

/// For people who read it; OpenClaw does so only when a call fails.
pub const MESSAGE: &str = "creel-shell: the workspace is a mounted volume, nothing was removed\n";

/// The call succeeds: after a failure, `recreate` would fail, and pruning would try again every five minutes. After success, OpenClaw
/// only removes the sandbox from its registry; the next use registers it again and finds the directory unchanged.
pub const STATUS: u32 = 0;

/// Whether `command` is a shell with a script, named as OpenClaw names it for a removal.
#[must_use]
pub fn is_removal(command: &[u8]) -> bool {
    let mut words = Shlex::new(command);
    let shell = words.next();
    let flag = words.next();
    let _script = words.next();
    let name = words.next();
    shell.as_deref() == Some(b"/bin/sh") && flag.as_deref() == Some(b"-c") && name.as_deref() == Some(SHELL_NAME)
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
