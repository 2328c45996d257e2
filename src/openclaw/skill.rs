//! What OpenClaw takes for a skill: a directory with `SKILL.md`, which begins with front matter. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The file that makes a directory a skill.
pub const FILE: &str = "SKILL.md";

/// The field of an agent's entry with the names of all skills that it has.
pub const SKILLS: &str = "skills";

/// Files of one skill, and bytes of all of them: those of a whole gateway are one ConfigMap.
pub const MOST_FILES: usize = 32;
pub const MOST_BYTES: usize = 128 << 10;

/// The files of a skill by name.
pub type Files = BTreeMap<String, String>;

/// One file of a skill, as it is in the ConfigMap.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    pub bytes: usize,
    /// `None`: it is no text, or longer than all files of a skill may be.
    pub text: Option<&'a str>,
}

/// What OpenClaw needs of the front matter.
#[derive(Debug, Default, Deserialize)]
struct FrontMatter {
    name: Option<String>,
    description: Option<String>,
}

/// The files of the skill `name`, or what is wrong with them, to be read after the name of the ConfigMap.
pub fn read(name: &str, values: &BTreeMap<&str, Value<'_>>) -> Result<Files, String> {
    if values.len() > MOST_FILES {
        return Err(format!("has {} files, and a skill has at most {MOST_FILES}", values.len()));
    }
    let bytes: usize = values.values().map(|value| value.bytes).sum();
    if bytes > MOST_BYTES {
        return Err(format!("has {} KiB, and a skill has at most {} KiB", bytes.div_ceil(1 << 10), MOST_BYTES >> 10));
    }
    let text = |(file, value): (&&str, &Value<'_>)| match value.text {
        Some(text) => Ok(((*file).to_owned(), text.to_owned())),
        None => Err(format!("has a key \"{file}\" that is not text")),
    };
    let files: Files = values.iter().map(text).collect::<Result<_, _>>()?;
    let skill = files.get(FILE).ok_or_else(|| format!("has no key \"{FILE}\""))?;
    let FrontMatter { name: named, description } = front_matter(skill)?;
    let named = named.as_deref().map(str::trim).filter(|named| !named.is_empty());
    if let Some(named) = named.filter(|named| *named != name) {
        return Err(format!("has the name \"{named}\" in the front matter of {FILE}, and not \"{name}\""));
    }
    if description.is_none_or(|description| description.trim().is_empty()) {
        return Err(format!("has no description in the front matter of {FILE}"));
    }
    Ok(files)
}

fn front_matter(text: &str) -> Result<FrontMatter, String> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = text.lines();
    let is_delimiter = |line: &str| line.strip_prefix("---").is_some_and(|rest| rest.trim().is_empty());
    if !lines.next().is_some_and(is_delimiter) {
        return Err(format!("has no front matter in {FILE}: its first line must be ---"));
    }
    let mut block = Vec::new();
    loop {
        match lines.next() {
            Some(line) if is_delimiter(line) => break,
            Some(line) => block.push(line),
            None => return Err(format!("has front matter in {FILE} that does not end with a line ---")),
        }
    }
    let parsed = parse(&block.join("\n"));
    // OpenClaw reads a description with a colon as text, which is none in YAML.
    parsed.or_else(|error| {
        let quoted: Vec<String> = block.iter().map(|line| quoted(line)).collect();
        parse(&quoted.join("\n")).map_err(|_| format!("has front matter in {FILE} that is not YAML: {error}"))
    })
}

fn parse(block: &str) -> Result<FrontMatter, serde_yaml::Error> {
    if block.trim().is_empty() { Ok(FrontMatter::default()) } else { serde_yaml::from_str(block) }
}

fn quoted(line: &str) -> String {
    match line.strip_prefix("description:") {
        Some(text) if !text.trim_start().starts_with(['"', '\'', '|', '>']) => {
            format!("description: {}", serde_json::Value::from(text.trim()))
        }
        _ => line.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(name: &str, values: &BTreeMap<String, Vec<u8>>) -> Result<Files, String> {
        let values = values
            .iter()
            .map(|(file, bytes)| (file.as_str(), Value { bytes: bytes.len(), text: std::str::from_utf8(bytes).ok() }));
        super::read(name, &values.collect())
    }

    fn skill(text: &str) -> Result<Files, String> {
        read("brew-notes", &BTreeMap::from([(FILE.to_owned(), text.as_bytes().to_vec())]))
    }

    #[test]
    fn a_skill_has_front_matter_with_a_description() {
        for text in [
            "---\nname: brew-notes\ndescription: About brewing.\n---\nRead {baseDir}/helper.md\n",
            "\u{feff}---\r\ndescription: Without a name\r\n--- \r\n",
            "---\nname: brew-notes\ndescription: Use when: somebody brews\nmetadata: {\"openclaw\": {\"requires\": {\"env\": [\"KEY\"]}}}\n---",
        ] {
            assert!(skill(text).is_ok(), "{text}: {:?}", skill(text));
        }
    }

    #[test]
    fn what_openclaw_cannot_read_is_told_in_the_words_of_the_file() {
        for (text, why) in [
            ("Brew.", "has no front matter in SKILL.md: its first line must be ---"),
            ("---\nname: brew-notes\n", "has front matter in SKILL.md that does not end with a line ---"),
            ("---\nname: brew-notes\n---\n", "has no description in the front matter of SKILL.md"),
            ("---\n---\n", "has no description in the front matter of SKILL.md"),
            (
                "---\nname: tea-notes\ndescription: x\n---\n",
                "has the name \"tea-notes\" in the front matter of SKILL.md, and not \"brew-notes\"",
            ),
        ] {
            assert_eq!(skill(text).unwrap_err(), why, "{text}");
        }
        let broken = skill("---\nname: [\ndescription: x\n---\n").unwrap_err();
        assert!(broken.starts_with("has front matter in SKILL.md that is not YAML: "), "{broken}");
    }

    #[test]
    fn a_skill_is_text_of_limited_size() {
        let good = b"---\ndescription: x\n---\n".to_vec();
        let with = |file: &str, value: Vec<u8>| {
            read("x", &BTreeMap::from([(FILE.to_owned(), good.clone()), (file.to_owned(), value)]))
        };
        assert_eq!(with("helper.md", b"help".to_vec()).unwrap()["helper.md"], "help");
        assert_eq!(with("logo.png", vec![0xff]).unwrap_err(), "has a key \"logo.png\" that is not text");
        let long = with("long", vec![b'x'; MOST_BYTES]).unwrap_err();
        assert_eq!(long, "has 129 KiB, and a skill has at most 128 KiB");
        let many: BTreeMap<_, _> = (0..=MOST_FILES).map(|file| (file.to_string(), Vec::new())).collect();
        assert_eq!(read("x", &many).unwrap_err(), "has 33 files, and a skill has at most 32");
        assert_eq!(read("x", &BTreeMap::new()).unwrap_err(), "has no key \"SKILL.md\"");
    }
}
