//! Which variables a client may set. Touches nothing.
//!
//! A program has the environment of the server, which is the Pod's; OpenClaw puts what it needs beyond that into the
//! command. What remains is what an `ssh` sends by itself: the language.

/// Variables of one call.
const COUNT: usize = 32;

/// Bytes of a value.
const LENGTH: usize = 1024;

/// Whether a client that has set so many variables `already` may set this one.
#[must_use]
pub fn may_set(name: &str, value: &str, already: usize) -> bool {
    let known = matches!(name, "LANG" | "LANGUAGE" | "TERM") || name.starts_with("LC_");
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'=';
    known && name.bytes().all(plain) && !value.contains('\0') && value.len() <= LENGTH && already < COUNT
}

#[cfg(test)]
mod tests {
    use super::may_set;

    #[test]
    fn the_language_and_the_terminal_may_be_set_and_nothing_else() {
        assert!(may_set("LANG", "de_DE.UTF-8", 0) && may_set("LC_ALL", "C", 1) && may_set("TERM", "xterm", 2));
        for name in ["PATH", "LD_PRELOAD", "HOME", "lang", "LC", "LC_A=B", "LC_\0"] {
            assert!(!may_set(name, "x", 0), "{name}");
        }
    }

    #[test]
    fn neither_their_number_nor_their_length_is_unbounded() {
        assert!(!may_set("LANG", "C", 32));
        assert!(!may_set("LANG", &"x".repeat(1025), 0));
        assert!(!may_set("LANG", "C\0", 0));
    }
}
