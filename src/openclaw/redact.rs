//! Errors of models' endpoints and of vendors of channels, without what may be a key: some repeat the header that they refuse. Pure.

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

/// The text without tokens of bots: digits, a colon, and at least so many characters as a key has.
#[must_use]
pub fn without_bot_tokens(text: &str) -> String {
    let is_of_token = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let (mut redacted, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(':') {
        let number = before.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let end = after.find(|letter| !is_of_token(letter)).unwrap_or(after.len());
        if number.len() < before.len() && end >= KEY_LENGTH {
            redacted.push_str(number);
            redacted.push_str(REDACTED);
            rest = &after[end..];
        } else {
            redacted.push_str(before);
            redacted.push(':');
            rest = after;
        }
    }
    redacted + rest
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

    #[test]
    fn tokens_of_bots_are_taken_out_and_addresses_stay() {
        assert_eq!(without_bot_tokens("/bot12:AAHdqTcvCH1v-W_x/getMe: 401"), "/bot[redacted]/getMe: 401");
        let address = "connect ECONNREFUSED 10.0.0.1:8081 at 12:30:59, code:UNABLE_TO_VERIFY";
        assert_eq!(without_bot_tokens(address), address);
    }
}
