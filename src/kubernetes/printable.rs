//! Texts of users as conditions and Events show them. Pure.

/// The text with a space for each character that shows as something else than itself: control characters, invisible ones, and those that
/// turn the direction of what follows.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|letter| if is_plain(letter) { letter } else { ' ' }).collect()
}

/// Characters of [`excerpt`].
pub const EXCERPT: usize = 200;

/// The beginning of such a text.
#[must_use]
pub fn excerpt(text: &str) -> String {
    let letters = text.chars().take(EXCERPT);
    letters.map(|letter| if is_plain(letter) { letter } else { ' ' }).collect()
}

/// Neither of Unicode's categories Cc, Zl and Zp, nor one of Cf that programs show as nothing.
fn is_plain(letter: char) -> bool {
    let hidden = matches!(
        letter,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    !letter.is_control() && !hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_as_something_else_is_a_space() {
        assert_eq!(printable("Zoë’s model 🛟: „größer“"), "Zoë’s model 🛟: „größer“");
        assert_eq!(printable("a\nb\u{1b}[31mc\u{202e}d\u{200b}e\u{2028}f\u{feff}"), "a b [31mc d e f ");
    }
}
