//! The part of a file that is Creel's, between two lines that mark it; everything around it is the author's or the agent's. Pure.

const BEGIN: &str = "<!-- creel:begin (Creel keeps this section in step; changes to it are overwritten) -->\n";
const BEGIN_MARK: &str = "<!-- creel:begin";
const END: &str = "<!-- creel:end -->\n";

/// The text without the section. Of a section that has lost its end nothing but its first line is known to be Creel's.
pub fn without(text: &str) -> String {
    let end_mark = END.trim_end();
    let whole =
        text.match_indices(end_mark).find_map(|(end, _)| Some((text[..end].rfind(BEGIN_MARK)?, end + end_mark.len())));
    let first_line = || {
        let begin = text.find(BEGIN_MARK)?;
        Some((begin, text[begin..].find('\n').map_or(text.len(), |line_end| begin + line_end)))
    };
    let Some((begin, end)) = whole.or_else(first_line) else { return text.to_owned() };
    let (before, after) = (&text[..begin], &text[end..]);
    let after = after.strip_prefix('\n').unwrap_or(after);
    // One line end was put before a section at the end of the text.
    let before =
        before.strip_suffix('\n').filter(|before| after.is_empty() || before.ends_with('\n')).unwrap_or(before);
    format!("{before}{after}")
}

/// The text with this section at its end; an empty one is left out.
pub fn with(text: &str, section: &str) -> String {
    if section.is_empty() {
        return text.to_owned();
    }
    let separator = if text.is_empty() { "" } else { "\n" };
    let line_end = if section.ends_with('\n') { "" } else { "\n" };
    format!("{text}{separator}{BEGIN}{section}{line_end}{END}")
}

/// The same text with this section in place of the one that it has. `None`: it is that already.
pub fn replaced(text: &str, section: &str) -> Option<String> {
    let next = with(&without(text), section);
    // A section that is right stays where the agent moved it.
    let right =
        !section.is_empty() && text.contains(with("", section).as_str()) && text.matches(BEGIN_MARK).count() == 1;
    (next != text && !right).then_some(next)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_section_comes_changes_and_goes_and_the_text_around_it_stays() {
        for text in ["", "# Rules", "# Rules\n", "# Rules\n\nBe kind.\n\n"] {
            let first = with(text, "one");
            assert_eq!(without(&first), text);
            assert_eq!(replaced(&first, "one"), None);
            let second = replaced(&first, "two").unwrap();
            assert_eq!(second, with(text, "two"));
            assert_eq!(replaced(&second, "").unwrap(), text);
            assert_eq!(replaced(text, ""), None);
        }
    }

    #[test]
    fn what_the_agent_writes_around_the_section_stays() {
        let text = format!("before\n{}after\n", with("", "one"));
        assert_eq!(replaced(&text, "one"), None);
        let changed = replaced(&text, "two").unwrap();
        assert!(changed.contains("before\nafter\n") && changed.ends_with(&with("", "two")), "{changed}");
    }

    #[test]
    fn what_follows_a_section_without_its_end_stays() {
        let text = "before\n\n<!-- creel:begin -->\nhalf";
        assert_eq!(replaced(text, "one").unwrap(), with("before\nhalf", "one"));
        let quoted = with("Leave `<!-- creel:begin` alone.\nBe kind.\n", "one");
        assert_eq!(replaced(&quoted, "one"), None);
    }
}
