//! The user's words in a message that the gateway sends: without what it writes around them. Pure.
//!
//! Seen with version 2026.9.6:
//! - `[Sat 2026-11-21 08:35 UTC] Hello\n\nRuntime: agent=writer | session=…`;
//! - `[cron:<id> <name>] Hello\nCurrent time: …\nReference UTC: …\n\nThis is an unattended scheduled run. …` for a job;
//! - `A scheduled reminder has been triggered. The reminder content is:\n\nHello\n\nHandle this reminder …` for one in the main session;
//! - notes of its own as further messages of the user, between two marks;
//! - `The previous assistant turn completed its tool calls but …` where it missed an answer after the tools.
//!
//! An unknown form stays as it is: the answer is longer then, and still right.

const NOTES_BEGIN: &str = "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>";
const NOTES_END: &str = "<<<END_OPENCLAW_INTERNAL_CONTEXT>>>";
const RUNTIME: &str = "\n\nRuntime: agent=";
/// The times that follow what the scheduler says.
const NOW: &str = "\nCurrent time: ";
const REFERENCE: &str = "\nReference UTC: ";
const JOB: &str = "[cron:";
const UNATTENDED: &str = "\n\nThis is an unattended scheduled run.";
const REMINDER: &str = "A scheduled reminder has been triggered. The reminder content is:\n\n";
/// How what follows a reminder begins: with nobody to tell, and with somebody.
const REMINDED: [&str; 2] = ["\n\nHandle this reminder", "\n\nPlease relay this reminder"];

/// How the gateway asks for an answer that it missed.
const MISSED: &str = "The previous assistant turn completed its tool calls but";

/// Whether the gateway asks for the answer that it missed after the tools had returned.
#[must_use]
pub fn asks_for_missed_answer(message: &str) -> bool {
    without_time(message.trim()).starts_with(MISSED)
}

/// What the user said; empty for a message that holds only notes of the gateway.
#[must_use]
pub fn user_words(message: &str) -> String {
    if asks_for_missed_answer(message) {
        return String::new();
    }
    let spoken = without_notes(message);
    let spoken = before(&spoken, RUNTIME);
    let spoken = without_time(spoken.trim());
    let spoken = before(spoken, UNATTENDED);
    // The words themselves may speak of a time; the scheduler's stand behind them, with a second one.
    let spoken = if spoken.contains(REFERENCE) { before(spoken, NOW) } else { spoken };
    without_reminder(without_job(spoken)).trim().to_owned()
}

/// The text before the last place of `mark`; all of it where there is none.
fn before<'a>(text: &'a str, mark: &str) -> &'a str {
    text.rsplit_once(mark).map_or(text, |(before, _)| before)
}

/// Without `[cron:<id> <name>] `.
fn without_job(text: &str) -> &str {
    text.strip_prefix(JOB).and_then(|job| job.split_once("] ")).map_or(text, |(_, words)| words)
}

fn without_reminder(text: &str) -> &str {
    let Some(words) = text.strip_prefix(REMINDER) else { return text };
    REMINDED.iter().fold(words, |words, behind| before(words, behind))
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
    fn what_the_scheduler_writes_around_a_job_is_not_the_users_words() {
        let message = "[cron:6115aada-3f06-4841-be12-1e3162c0fa12 notes] Run `date` and note it.\n\nThen stop.\nCurrent time: Saturday, \
            November 21st, 2026 - 3:11 PM (UTC)\nReference UTC: 2026-11-21 15:11 UTC\n\nThis is an unattended scheduled run. Nobody is \
            present to clarify or approve, so complete the task with what you have. Your final reply is the deliverable — not a plan, \
            an acknowledgement, or a request for input. If nothing needs doing, reply exactly NO_REPLY.\n\n\
            Runtime: agent=writer | session=agent:writer:cron:6115aada";
        assert_eq!(user_words(message), "Run `date` and note it.\n\nThen stop.");
    }

    #[test]
    fn what_the_scheduler_writes_around_a_reminder_is_not_the_users_words() {
        for behind in [
            "Handle this reminder internally. Do not relay it to the user unless explicitly requested.",
            "Please relay this reminder to the user in a helpful and friendly way.",
        ] {
            let message = format!(
                "A scheduled reminder has been triggered. The reminder content is:\n\nLook at `ls`.\n\n{behind}\nCurrent time: \
                 Saturday, November 21st, 2026 - 3:11 PM (UTC)\nReference UTC: 2026-11-21 15:11 UTC"
            );
            assert_eq!(user_words(&message), "Look at `ls`.");
            assert_eq!(user_words(&format!("[Sat 2026-11-21 15:11 UTC] {message}")), "Look at `ls`.");
        }
    }

    #[test]
    fn a_heartbeats_prompt_is_what_stands_before_the_time() {
        let message = "Look at your notes.\nCurrent time: Saturday, November 21st, 2026 - 3:11 PM (UTC)\n\
            Reference UTC: 2026-11-21 15:11 UTC";
        assert_eq!(user_words(message), "Look at your notes.");
    }

    #[test]
    fn words_that_look_like_the_schedulers_stay() {
        for words in ["Say:\nCurrent time: noon", "[cron: every day]", "[x] A scheduled reminder has been triggered."] {
            assert_eq!(user_words(words), words);
        }
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
