//! The files of a workspace that OpenClaw puts into the prompt, as it does that in version 2026.9.6. Pure.
//!
//! Sub-agents get `AGENTS.md` alone, cron jobs and groups do without `MEMORY.md`.

use crate::api::passthrough::Passthrough;

/// The file with the instructions, which every turn has.
pub const INSTRUCTIONS: &str = "AGENTS.md";

/// Files whose absence the prompt reports to the model, and the least that they can say.
pub const SEEDS: [(&str, &str); 3] =
    [(INSTRUCTIONS, "# Instructions\n"), ("SOUL.md", "# Persona\n"), ("IDENTITY.md", "# Identity\n")];

/// Files in the prompt, beside these.
const OTHERS: [&str; 2] = [USER, "MEMORY.md"];
const USER: &str = "USER.md";

/// Characters of `USER.md`, whatever is configured.
const MOST_OF_USER: usize = 4000;

/// What to use in place of a file that OpenClaw no longer reads, or reads as something else.
#[must_use]
pub fn instead(path: &str) -> Option<&'static str> {
    match path {
        "TOOLS.md" => Some("put a section \"## Tools\" into AGENTS.md"),
        "HEARTBEAT.md" => Some("put its text into spec.heartbeat.prompt"),
        "BOOTSTRAP.md" => Some("it makes the first answers a set-up dialogue; put its text into AGENTS.md"),
        _ => None,
    }
}

/// Characters that OpenClaw takes into the prompt.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    file: usize,
    total: usize,
}

impl Limits {
    /// Those of an agent with these keys.
    #[must_use]
    pub fn of(config: &Passthrough) -> Self {
        let key = |name, default| {
            let value = config.0.get(name).and_then(serde_json::Value::as_u64);
            value.and_then(|value| usize::try_from(value).ok()).unwrap_or(default)
        };
        Self { file: key("bootstrapMaxChars", 20_000), total: key("bootstrapTotalMaxChars", 60_000) }
    }

    /// Which file is cut, or that all together are; and what to do. Files by path, with their texts.
    #[must_use]
    pub fn exceeded<'a>(self, files: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
        let mut total = 0;
        for (path, text) in files.filter(|(path, _)| is_in_prompt(path)) {
            let length = text.encode_utf16().count();
            let most = if path == USER { self.file.min(MOST_OF_USER) } else { self.file };
            if length > most {
                let or = if path == USER { "" } else { ", or raise bootstrapMaxChars in spec.config" };
                return Some(format!(
                    "{path} has {length} characters, of which OpenClaw takes {most} into the prompt: shorten it{or}"
                ));
            }
            total += length;
        }
        (total > self.total).then(|| {
            format!(
                "The files for the prompt have {total} characters, of which OpenClaw takes {}: shorten them, or raise bootstrapTotalMaxChars in spec.config",
                self.total
            )
        })
    }
}

fn is_in_prompt(path: &str) -> bool {
    SEEDS.iter().any(|(seed, _)| *seed == path) || OTHERS.contains(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exceeded(files: &[(&str, usize)], config: &serde_json::Value) -> String {
        let texts: Vec<(&str, String)> = files.iter().map(|(path, length)| (*path, "ä".repeat(*length))).collect();
        let limits = Limits::of(&Passthrough(config.as_object().cloned().unwrap_or_default()));
        limits.exceeded(texts.iter().map(|(path, text)| (*path, text.as_str()))).unwrap_or_default()
    }

    #[test]
    fn a_file_that_openclaw_cuts_is_told_with_the_limit_and_the_remedy() {
        let none = serde_json::json!({});
        assert_eq!(exceeded(&[("SOUL.md", 20_000), ("USER.md", 4000), ("notes.md", 60_000)], &none), "");
        let said = exceeded(&[("SOUL.md", 20_001)], &none);
        assert!(
            said.contains("SOUL.md has 20001") && said.contains("takes 20000") && said.contains("bootstrapMaxChars")
        );
        assert!(exceeded(&[("USER.md", 4001)], &none).contains("takes 4000 into the prompt: shorten it"));
        let all = ["AGENTS.md", "SOUL.md", "IDENTITY.md", "MEMORY.md"].map(|path| (path, 15_001));
        assert!(exceeded(&all, &none).contains("have 60004 characters, of which OpenClaw takes 60000"));
    }

    #[test]
    fn limits_that_the_agent_raises_count() {
        let raised = serde_json::json!({"bootstrapMaxChars": 30_000, "bootstrapTotalMaxChars": 90_000});
        assert_eq!(exceeded(&[("SOUL.md", 30_000)], &raised), "");
        assert!(exceeded(&[("SOUL.md", 30_001)], &raised).contains("takes 30000"));
    }
}
