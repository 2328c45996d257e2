//! `creel-shell run --skills`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::fixtures::process::{self, eventually};
use crate::fixtures::{BINARY, directory::Directory};

/// A claim with the workspace `a` and a file of skills, kept by a process.
struct Kept {
    directory: Directory,
    process: Child,
}

impl Kept {
    fn start(directory: Directory, skills: &Value) -> Self {
        place(&directory, skills);
        let (file, claim) = (directory.path("skills.json"), directory.path("claim"));
        let process = Command::new(BINARY)
            .arg("run")
            .arg("--skills")
            .arg(file)
            .arg("--claim")
            .arg(claim)
            .args(["--", "sh", "-c", "read line"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Self { directory, process }
    }

    fn has(&self, path: &str, text: &str) {
        let path = self.directory.path("claim").join(path);
        eventually(&format!("{} is {text:?}", path.display()), || {
            fs::symlink_metadata(&path).is_ok_and(|found| found.is_file())
                && fs::read_to_string(&path).is_ok_and(|found| found == text)
        });
    }

    fn lacks(&self, path: &str) {
        let path = self.directory.path("claim").join(path);
        eventually(&format!("{} is gone", path.display()), || fs::symlink_metadata(&path).is_err());
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        process::signal(self.process.id(), Signal::KILL);
        let _ = self.process.wait();
    }
}

/// As the kubelet does it: the file is never seen in halves.
fn place(directory: &Directory, skills: &Value) {
    fs::write(directory.path("next"), skills.to_string()).unwrap();
    fs::rename(directory.path("next"), directory.path("skills.json")).unwrap();
}

fn claim() -> Directory {
    let directory = Directory::new();
    fs::create_dir_all(directory.path("claim/workspaces/a/skills")).unwrap();
    directory
}

#[test]
fn skills_are_there_before_the_program_starts_and_follow_the_file() {
    let directory = claim();
    fs::write(directory.path("claim/workspaces/a/skills/own.md"), "mine").unwrap();
    let text = json!({
        "workspaces/a": {"notes": {"SKILL.md": "one", "helper.md": "help"}, "beans": {"SKILL.md": "x"}},
        "workspaces/b": {"notes": {"SKILL.md": "of b"}},
    });
    let kept = Kept::start(directory, &text);
    kept.has("workspaces/a/skills/creel.dev/notes/SKILL.md", "one");
    kept.has("workspaces/a/skills/creel.dev/notes/helper.md", "help");
    kept.has("workspaces/b/skills/creel.dev/notes/SKILL.md", "of b");
    place(&kept.directory, &json!({"workspaces/a": {"notes": {"SKILL.md": "two"}}, "workspaces/b": {}}));
    kept.has("workspaces/a/skills/creel.dev/notes/SKILL.md", "two");
    for gone in ["a/skills/creel.dev/notes/helper.md", "a/skills/creel.dev/beans", "b/skills/creel.dev"] {
        kept.lacks(&format!("workspaces/{gone}"));
    }
    kept.has("workspaces/a/skills/own.md", "mine");
}

#[test]
fn whatever_an_agent_puts_in_the_way_is_replaced_and_no_link_is_followed() {
    let directory = claim();
    let outside = directory.path("outside");
    fs::create_dir_all(outside.join("notes")).unwrap();
    fs::write(outside.join("notes/SKILL.md"), "outside").unwrap();
    let own = directory.path("claim/workspaces/a/skills/creel.dev");
    fs::create_dir_all(own.join("directory/SKILL.md/deep")).unwrap();
    fs::create_dir_all(own.join("link")).unwrap();
    symlink(&outside, own.join("notes")).unwrap();
    symlink(outside.join("notes/SKILL.md"), own.join("link/SKILL.md")).unwrap();
    fs::write(own.join("file"), "no directory").unwrap();
    symlink(&outside, own.join("other")).unwrap();
    let skill = json!({"SKILL.md": "right"});
    let text = json!({"workspaces/a": {"notes": skill, "directory": skill, "link": skill, "file": skill}});
    let kept = Kept::start(directory, &text);
    for name in ["notes", "directory", "link", "file"] {
        kept.has(&format!("workspaces/a/skills/creel.dev/{name}/SKILL.md"), "right");
    }
    kept.lacks("workspaces/a/skills/creel.dev/other");
    assert_eq!(fs::read_to_string(outside.join("notes/SKILL.md")).unwrap(), "outside");
}

#[test]
fn a_workspace_that_leads_elsewhere_is_refused_and_the_others_have_theirs() {
    let directory = claim();
    fs::create_dir_all(directory.path("outside")).unwrap();
    symlink(directory.path("outside"), directory.path("claim/workspaces/link")).unwrap();
    let skill = json!({"notes": {"SKILL.md": "right"}});
    let text = json!({"../outside": skill, "workspaces/a": skill, "workspaces/link": skill});
    let kept = Kept::start(directory, &text);
    kept.has("workspaces/a/skills/creel.dev/notes/SKILL.md", "right");
    assert!(is_empty(&kept.directory.path("outside")));
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}
