//! Text of the sandbox in our messages. Pure.

/// How many characters of such a text are shown.
const LIMIT: usize = 200;

/// The first 200 characters of `text`, with everything but printable ASCII replaced: it can neither colour a terminal nor hide a
/// part of the message.
pub fn printable(text: &str) -> String {
    text.chars().take(LIMIT).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced_and_long_texts_are_cut() {
        assert_eq!(printable("ok \u{1b}[31mred\u{202e}\n"), "ok ?[31mred??");
        assert_eq!(printable(&"x".repeat(10_000)).len(), LIMIT);
    }
}
