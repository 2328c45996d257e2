//! Words of the other side in messages of ours. Pure.

/// How much of the other side's words a message repeats.
const LIMIT: usize = 200;

/// At most 200 characters of `text`, ASCII without controls, so that it can neither colour nor move what a reader sees.
pub fn printable(text: &str) -> String {
    text.chars().take(LIMIT).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_length_do_not_pass() {
        assert_eq!(printable("ok \u{1b}[31mred\u{202e}\n"), "ok ?[31mred??");
        assert_eq!(printable(&"x".repeat(10_000)).len(), LIMIT);
    }
}
