//! Errors of models' endpoints, without what may be a key: some repeat the header that they refuse. Pure.

/// Stands for what was taken out.
const REDACTED: &str = "[redacted]";
/// Shorter words are no keys.
const KEY_LENGTH: usize = 12;

/// The text without the key after `Bearer`, and without words that begin with `sk-`, as most API keys do.
#[must_use]
pub fn redact(text: &str) -> String {
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || "-._~+/=".contains(letter);
    let (mut redacted, mut rest, mut after_bearer) = (String::new(), text, false);
    while let Some(first) = rest.chars().next() {
        let in_word = is_of_word(first);
        let end = rest.find(|letter| is_of_word(letter) != in_word).unwrap_or(rest.len());
        let (piece, left) = rest.split_at(end);
        rest = left;
        if !in_word {
            redacted.push_str(piece);
            after_bearer &= piece.trim().is_empty();
            continue;
        }
        let is_long = piece.len() >= KEY_LENGTH;
        // "Bearer token is missing" is not one.
        let is_token = after_bearer && (is_long || piece.contains(|letter: char| letter.is_ascii_digit()));
        let is_key = is_token || (is_long && piece.starts_with("sk-"));
        redacted.push_str(if is_key { REDACTED } else { piece });
        after_bearer = piece.eq_ignore_ascii_case("bearer");
    }
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_an_endpoint_repeats_are_taken_out_and_nothing_else() {
        for (said, expected) in [
            ("401 Incorrect API key provided: sk-proj-abc123DEF456.", "401 Incorrect API key provided: [redacted]"),
            (
                "bad header \"Authorization: Bearer k-1\", retry",
                "bad header \"Authorization: Bearer [redacted]\", retry",
            ),
            ("{\"authorization\":\"bearer  a.b1/c+d==\"}", "{\"authorization\":\"bearer  [redacted]\"}"),
            ("Bearer token is missing", "Bearer token is missing"),
            (
                "the bearer, of bad news: sk-8 model p-openai/gpt-4o",
                "the bearer, of bad news: sk-8 model p-openai/gpt-4o",
            ),
            ("", ""),
        ] {
            assert_eq!(redact(said), expected);
        }
    }
}
