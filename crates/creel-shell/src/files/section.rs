//! The part of a file that is Creel's, between two lines that mark it; everything around it is the author's or the agent's. Pure.

const BEGIN: &str = "<!-- creel:begin (Creel keeps this section in step; changes to it are overwritten) -->\n";
const BEGIN_MARK: &str = "<!-- creel:begin";
const END: &str = "<!-- creel:end -->\n";

/// The text without the section.
pub fn without(text: &str) -> String {
    let Some(begin) = text.find(BEGIN_MARK) else { return text.to_owned() };
    let end = text[begin..].find(END.trim_end()).map(|end| begin + end + END.trim_end().len());
    let (before, after) = (&text[..begin], end.map_or("", |end| &text[end..]));
    // One empty line was put before the section, and one line end after it.
    let before = before.strip_suffix("\n\n").map(|before| format!("{before}\n")).unwrap_or(before.to_owned());
    before + after.strip_prefix('\n').unwrap_or(after)
}

/// The text with this section at its end; an empty one is left out.
pub fn with(text: &str, section: &str) -> String {
    if section.is_empty() {
        return text.to_owned();
    }
    let separator = match text {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
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
        for text in ["", "# Rules\n", "# Rules\n\nBe kind.\n"] {
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
    fn a_section_without_its_end_is_written_anew() {
        let text = "before\n\n<!-- creel:begin -->\nhalf";
        assert_eq!(replaced(text, "one").unwrap(), with("before\n", "one"));
    }
}
