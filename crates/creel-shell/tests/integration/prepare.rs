//! `creel-shell prepare`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::fixtures::directory::Directory;
use crate::fixtures::{BINARY, text};

/// The message with which it fails.
fn failure(argument: &str) -> String {
    let output = Command::new(BINARY).args(["prepare", argument]).output().unwrap();
    assert!(!output.status.success());
    text(&output.stderr).to_owned()
}

#[test]
fn directories_are_created_once_and_writable_for_the_group() {
    let mount = Directory::new();
    let claim = format!("{}:workspaces/writer", mount.text());
    let other = format!("{}:openclaw/agent", mount.text());
    for _ in 0..2 {
        let output = Command::new("sh")
            .args(["-c", "umask 002; exec \"$@\"", "sh", BINARY, "prepare", &claim, &other])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    for path in ["workspaces", "workspaces/writer", "openclaw", "openclaw/agent"] {
        let mode = fs::metadata(mount.path(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o775, "{path}");
    }
}

#[test]
fn a_symbolic_link_in_the_path_is_not_followed() {
    let (mount, elsewhere) = (Directory::new(), Directory::new());
    symlink(&*elsewhere, mount.path("workspaces")).unwrap();
    fs::create_dir(mount.path("real")).unwrap();
    symlink(&*elsewhere, mount.path("real/writer")).unwrap();
    for path in ["workspaces/writer", "real/writer", "real/writer/deeper"] {
        let message = failure(&format!("{}:{path}", mount.text()));
        assert!(message.contains("exists and is not a directory"), "{message}");
    }
    assert_eq!(fs::read_dir(&*elsewhere).unwrap().count(), 0);
}

#[test]
fn a_directory_that_must_exist_is_not_created_and_what_is_there_instead_is_named() {
    let mount = Directory::new();
    for path in ["agents/main", "agents/ops", "notes"] {
        fs::create_dir_all(mount.path(path)).unwrap();
    }
    symlink(mount.path("notes"), mount.path("workspace")).unwrap();
    fs::write(mount.path("openclaw.json"), "{}").unwrap();
    let required = |path: &str| {
        let directory = format!("{}:{path}", mount.text());
        let created = format!("{}:created", mount.text());
        Command::new(BINARY).args(["prepare", "--require", &directory, &created]).output().unwrap()
    };
    for (path, said) in [
        ("agents/concierge", "`agents/concierge`; the directories in `agents` are `main`, `ops`"),
        ("data/agents/main", "`data/agents/main`; the directories in its root are `agents`, `notes`"),
        ("agents/main/sessions", "`agents/main/sessions`; `agents/main` has no directories"),
        (
            "workspace",
            "`workspace`, but a symbolic link, which Creel does not follow; the directories in its root are `agents`, `notes`",
        ),
        ("openclaw.json", "`openclaw.json`, but a file; the directories in its root are `agents`, `notes`"),
    ] {
        let output = required(path);
        assert!(!output.status.success());
        assert_eq!(text(&output.stderr), format!("the volume has no directory {said}\n"));
        assert!(!mount.path("created").exists());
    }
    for number in 0..20 {
        fs::create_dir_all(mount.path(&format!("agents/{number:0>200}"))).unwrap();
    }
    let refused = required("agents/concierge");
    let message = text(&refused.stderr);
    assert!(message.contains("…") && message.len() < 1024, "{message}");
    assert!(required("agents/main").status.success());
    assert!(mount.path("created").is_dir());
}

#[test]
fn a_path_that_leaves_its_mount_and_a_missing_mount_are_refused() {
    assert!(failure("/tmp:../etc").contains("<mount>:<path>"));
    assert!(failure("/nonexistent:x").contains("mount the volume there"));
}
