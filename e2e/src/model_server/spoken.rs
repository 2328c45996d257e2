//! The user's words in a message that the gateway sends: without what it writes around them. Pure.
//!
//! Seen with version 2026.9.6: `[Sat 2026-11-21 08:35 UTC] Hello\n\nRuntime: agent=writer | session=…`, and notes of its own
//! as further messages of the user, between two marks. An unknown form stays as it is: the answer is longer then, and still right.

const NOTES_BEGIN: &str = "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>";
const NOTES_END: &str = "<<<END_OPENCLAW_INTERNAL_CONTEXT>>>";
const RUNTIME: &str = "\n\nRuntime: agent=";

/// What the user said; empty for a message that holds only notes of the gateway.
#[must_use]
pub fn user_words(message: &str) -> String {
    let spoken = without_notes(message);
    let spoken = spoken.split_once(RUNTIME).map_or(spoken.as_str(), |(before, _)| before);
    without_time(spoken.trim()).to_owned()
}

fn without_notes(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(NOTES_BEGIN) {
        kept.push_str(before);
        rest = after.split_once(NOTES_END).map_or("", |(_, behind)| behind);
    }
    kept.push_str(rest);
    kept
}

fn without_time(text: &str) -> &str {
    text.strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
        .filter(|(time, _)| {
            time.split(' ').count() == 4 && time.split(' ').nth(1).is_some_and(|date| date.matches('-').count() == 2)
        })
        .map_or(text, |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_and_the_runtime_line_are_not_the_users_words() {
        let message =
            "[Sat 2026-11-21 08:35 UTC] Hello, who are you?\n\nRuntime: agent=writer | session=agent:writer:x";
        assert_eq!(user_words(message), "Hello, who are you?");
    }

    #[test]
    fn notes_of_the_gateway_are_not_the_users_words() {
        let notes = format!("{NOTES_BEGIN}\nActive exec sessions: none\n{NOTES_END}");
        assert_eq!(user_words(&notes), "");
        assert_eq!(user_words(&format!("hello\n{notes}")), "hello");
    }

    #[test]
    fn other_brackets_stay() {
        assert_eq!(user_words("[x] buy milk"), "[x] buy milk");
        assert_eq!(user_words("plain"), "plain");
    }
}
