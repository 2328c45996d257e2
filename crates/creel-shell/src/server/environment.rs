//! Which environment variables a client may set. Touches nothing.
//!
//! A program gets the environment of the server, which is that of the Pod, and OpenClaw writes what it needs in addition into the
//! command. That leaves what `ssh` sends by default: the language.

/// Variables per call.
const MAX_VARIABLES: usize = 32;

/// Bytes per value.
const MAX_LENGTH: usize = 1024;

/// Whether a client that has set `already_set` variables may set this one.
#[must_use]
pub fn may_set(name: &str, value: &str, already_set: usize) -> bool {
    let known = matches!(name, "LANG" | "LANGUAGE" | "TERM") || name.starts_with("LC_");
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'=';
    known
        && name.bytes().all(plain)
        && !value.contains('\0')
        && value.len() <= MAX_LENGTH
        && already_set < MAX_VARIABLES
}

#[cfg(test)]
mod tests {
    use super::may_set;

    #[test]
    fn only_the_language_and_the_terminal_type_may_be_set() {
        assert!(may_set("LANG", "de_DE.UTF-8", 0) && may_set("LC_ALL", "C", 1) && may_set("TERM", "xterm", 2));
        for name in ["PATH", "LD_PRELOAD", "HOME", "lang", "LC", "LC_A=B", "LC_\0"] {
            assert!(!may_set(name, "x", 0), "{name}");
        }
    }

    #[test]
    fn their_number_and_length_are_limited() {
        assert!(!may_set("LANG", "C", 32));
        assert!(!may_set("LANG", &"x".repeat(1025), 0));
        assert!(!may_set("LANG", "C\0", 0));
    }
}
