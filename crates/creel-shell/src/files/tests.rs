//! The keeper of files on a claim that the test made, with everything that an agent could put into a file's place.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use super::keep::hash;
use super::keeper::Keeper;
use super::report::State;

/// A claim, and the document beside it.
struct Claim(PathBuf);

impl Claim {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("creel-files-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let claim = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(claim.root()).unwrap();
        claim
    }

    fn root(&self) -> PathBuf {
        self.0.join("claim")
    }

    /// A file or directory in the workspace of `ada`.
    fn path(&self, path: &str) -> PathBuf {
        self.root().join("workspaces/ada").join(path)
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn document(&self) -> PathBuf {
        self.0.join("files.json")
    }

    /// Writes the document with these files of `ada`, and one of her neighbour.
    fn wants(&self, files: &[Value]) {
        let neighbour = json!({"name": "bob", "directory": "workspaces/bob", "files": [managed("SOUL.md", "bob")]});
        let ada = json!({"name": "ada", "directory": "workspaces/ada", "files": files});
        let document = json!({"revision": hash(json!(files).to_string().as_bytes()), "agents": [ada, neighbour]});
        fs::write(self.document(), document.to_string()).unwrap();
    }

    fn keeper(&self) -> Keeper {
        Keeper::new(&self.document(), &self.root())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn managed(path: &str, content: &str) -> Value {
    json!({"path": path, "policy": "Managed", "content": content})
}

fn seed(path: &str, content: &str) -> Value {
    json!({"path": path, "policy": "SeedOnce", "content": content})
}

/// The state of the first file of `ada` after a pass.
fn first(keeper: &mut Keeper) -> State {
    keeper.pass().agents["ada"][0].state.clone()
}

fn fault(keeper: &mut Keeper) -> String {
    match first(keeper) {
        State::Fault { message } => message,
        state => panic!("{state}"),
    }
}

fn in_step(content: &str) -> State {
    State::in_step(content)
}

#[test]
fn files_are_written_with_the_directories_that_they_need() {
    let claim = Claim::new();
    claim.wants(&[seed("SOUL.md", "calm"), managed("notes/house/rules.md", "rules")]);
    let report = claim.keeper().pass();
    assert_eq!((claim.text("SOUL.md"), claim.text("notes/house/rules.md")), ("calm".into(), "rules".into()));
    assert!(report.agents["ada"].iter().all(|file| matches!(file.state, State::InStep { .. })));
    assert_eq!(claim.names(), ["SOUL.md", "notes"], "nothing else is left behind");
}

#[test]
fn a_seed_is_never_overwritten_and_comes_back_if_it_is_gone() {
    let claim = Claim::new();
    claim.wants(&[seed("SOUL.md", "calm")]);
    let mut keeper = claim.keeper();
    assert_eq!(first(&mut keeper), in_step("calm"));
    fs::write(claim.path("SOUL.md"), "wild").unwrap();
    assert!(matches!(first(&mut keeper), State::Evolved { hash: of, since } if of == hash(b"wild") && since > 0));
    claim.wants(&[seed("SOUL.md", "calmer")]);
    assert!(matches!(first(&mut keeper), State::Evolved { .. }));
    assert_eq!(claim.text("SOUL.md"), "wild");
    fs::remove_file(claim.path("SOUL.md")).unwrap();
    assert_eq!(first(&mut keeper), in_step("calmer"));
    assert_eq!(claim.text("SOUL.md"), "calmer");
}

#[test]
fn a_managed_file_follows_its_source_and_what_the_agent_made_of_it_is_kept_beside_it() {
    let claim = Claim::new();
    claim.wants(&[managed("SOUL.md", "one")]);
    let mut keeper = claim.keeper();
    first(&mut keeper);
    claim.wants(&[managed("SOUL.md", "two")]);
    assert_eq!(first(&mut keeper), in_step("two"));
    assert_eq!(claim.names(), ["SOUL.md"], "an earlier source is nothing of the agent's");

    for version in ["mine", "mine, again"] {
        fs::write(claim.path("SOUL.md"), version).unwrap();
        let expected = hash(version.as_bytes());
        let state = first(&mut keeper);
        assert!(matches!(state, State::Conflict { hash, kept, .. } if hash == expected && kept == "SOUL.md.kept"));
        assert_eq!((claim.text("SOUL.md"), claim.text("SOUL.md.kept")), ("two".into(), version.into()));
        assert_eq!(claim.names(), ["SOUL.md", "SOUL.md.kept"]);
    }
    claim.wants(&[managed("SOUL.md", "three")]);
    assert!(matches!(first(&mut keeper), State::Conflict { .. }), "it is told until somebody has looked at it");
    fs::remove_file(claim.path("SOUL.md.kept")).unwrap();
    assert_eq!(first(&mut keeper), in_step("three"));
}

#[test]
fn the_next_pod_knows_what_is_creels_own() {
    let claim = Claim::new();
    claim.wants(&[managed("SOUL.md", "one")]);
    first(&mut claim.keeper());
    claim.wants(&[managed("SOUL.md", "two")]);
    assert_eq!(first(&mut claim.keeper()), in_step("two"));
    fs::write(claim.path("SOUL.md"), "mine").unwrap();
    assert!(matches!(first(&mut claim.keeper()), State::Conflict { .. }));
    assert!(matches!(first(&mut claim.keeper()), State::Conflict { .. }));
}

#[test]
fn a_file_that_was_there_before_it_was_managed_is_kept_beside_it() {
    let claim = Claim::new();
    fs::create_dir_all(claim.path("")).unwrap();
    fs::write(claim.path("SOUL.md"), "of a predecessor").unwrap();
    claim.wants(&[managed("SOUL.md", "one")]);
    assert!(matches!(first(&mut claim.keeper()), State::Conflict { .. }));
    assert_eq!(claim.text("SOUL.md.kept"), "of a predecessor");
}

#[test]
fn a_file_that_is_taken_out_of_the_document_stays_as_it_is() {
    let claim = Claim::new();
    claim.wants(&[managed("SOUL.md", "one")]);
    let mut keeper = claim.keeper();
    first(&mut keeper);
    claim.wants(&[]);
    keeper.pass();
    fs::write(claim.path("SOUL.md"), "mine").unwrap();
    keeper.pass();
    assert_eq!(claim.text("SOUL.md"), "mine");
}

#[test]
fn what_is_in_a_files_place_is_told_and_left_alone_and_the_others_are_kept() {
    for policy in [managed, seed] {
        let claim = Claim::new();
        let secret = claim.0.join("secret");
        fs::write(&secret, "of somebody else").unwrap();
        fs::create_dir_all(claim.path("SOUL.md/deeper")).unwrap();
        claim.wants(&[policy("SOUL.md", "calm"), policy("AGENTS.md", "rules")]);
        let said = fault(&mut claim.keeper());
        assert_eq!(said, "a directory is in its place: remove it from the workspace");
        assert_eq!(claim.text("AGENTS.md"), "rules");
        assert_eq!(fs::read_to_string(claim.root().join("workspaces/bob/SOUL.md")).unwrap(), "bob");
        fs::remove_dir_all(claim.path("SOUL.md")).unwrap();

        symlink(&secret, claim.path("SOUL.md")).unwrap();
        let said = fault(&mut claim.keeper());
        assert_eq!(said, "a symbolic link is in its place: remove it from the workspace");
        assert_eq!(fs::read_to_string(&secret).unwrap(), "of somebody else");
        fs::remove_file(claim.path("SOUL.md")).unwrap();

        mknodat(CWD, claim.path("SOUL.md"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(fault(&mut claim.keeper()), "a FIFO is in its place: remove it from the workspace");
        fs::remove_file(claim.path("SOUL.md")).unwrap();

        fs::File::create(claim.path("SOUL.md")).unwrap().set_len(10 << 30).unwrap();
        let said = fault(&mut claim.keeper());
        assert!(said.starts_with("the file has 10737418240 bytes, and OpenClaw reads at most 2097152"), "{said}");
        fs::remove_file(claim.path("SOUL.md")).unwrap();
        assert_eq!(first(&mut claim.keeper()), in_step("calm"));
    }
}

#[test]
fn no_path_leads_out_of_the_workspace_and_no_link_on_the_way_is_followed() {
    let claim = Claim::new();
    let elsewhere = claim.0.join("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::create_dir_all(claim.path("")).unwrap();
    symlink(&elsewhere, claim.path("notes")).unwrap();
    for path in ["../bob/x.md", "notes/x.md", "/etc/x.md", "a/../../x.md", ""] {
        claim.wants(&[managed(path, "x")]);
        fault(&mut claim.keeper());
    }
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert_eq!(claim.names(), ["notes"]);
}

#[test]
fn a_version_of_the_agent_that_cannot_be_kept_is_not_overwritten() {
    let claim = Claim::new();
    claim.wants(&[managed("SOUL.md", "one")]);
    let mut keeper = claim.keeper();
    first(&mut keeper);
    fs::create_dir_all(claim.path("SOUL.md.kept/deeper")).unwrap();
    fs::write(claim.path("SOUL.md"), "mine").unwrap();
    assert!(fault(&mut keeper).starts_with("the file cannot be written"));
    assert_eq!(claim.text("SOUL.md"), "mine");
    assert_eq!(claim.names(), ["SOUL.md", "SOUL.md.kept"], "nothing else is left behind");
}

#[test]
fn a_link_where_the_agents_version_is_kept_is_replaced() {
    let claim = Claim::new();
    let secret = claim.0.join("secret");
    fs::write(&secret, "of somebody else").unwrap();
    claim.wants(&[managed("SOUL.md", "one")]);
    let mut keeper = claim.keeper();
    first(&mut keeper);
    symlink(&secret, claim.path("SOUL.md.kept")).unwrap();
    symlink(&secret, claim.path(".SOUL.md.creel-new")).unwrap();
    fs::write(claim.path("SOUL.md"), "mine").unwrap();
    assert!(matches!(first(&mut keeper), State::Conflict { .. }));
    assert_eq!(claim.text("SOUL.md.kept"), "mine");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "of somebody else");
}

#[test]
fn a_file_that_cannot_be_written_is_told_and_the_others_are_kept() {
    let claim = Claim::new();
    let long = "a".repeat(260);
    claim.wants(&[managed(&long, "x"), managed("AGENTS.md", "rules")]);
    fault(&mut claim.keeper());
    assert_eq!(claim.text("AGENTS.md"), "rules");
}

#[test]
fn a_document_that_is_away_or_cannot_be_read_changes_nothing() {
    let claim = Claim::new();
    let mut keeper = claim.keeper();
    assert!(keeper.pass().agents.is_empty());
    claim.wants(&[managed("SOUL.md", "one")]);
    assert_eq!(first(&mut keeper), in_step("one"));
    fs::write(claim.document(), "{").unwrap();
    assert_eq!(first(&mut keeper), in_step("one"));
    fs::remove_file(claim.document()).unwrap();
    fs::write(claim.path("SOUL.md"), "mine").unwrap();
    assert!(matches!(first(&mut keeper), State::Conflict { .. }));
}

#[test]
fn creels_section_is_kept_in_step_in_a_file_of_either_policy() {
    let claim = Claim::new();
    let with = |mut file: Value, section: &str| {
        file["section"] = json!(section);
        file
    };
    for policy in [seed, managed] {
        claim.wants(&[with(policy("AGENTS.md", "rules\n"), "- writer: texts")]);
        let mut keeper = claim.keeper();
        assert_eq!(first(&mut keeper), in_step("rules\n"));
        assert!(claim.text("AGENTS.md").starts_with("rules\n\n<!-- creel:begin"), "{}", claim.text("AGENTS.md"));
        claim.wants(&[with(policy("AGENTS.md", "rules\n"), "- marketer: campaigns")]);
        assert_eq!(first(&mut keeper), in_step("rules\n"));
        let text = claim.text("AGENTS.md");
        assert!(text.contains("- marketer: campaigns\n") && !text.contains("writer"), "{text}");
        claim.wants(&[with(policy("AGENTS.md", "rules\n"), "")]);
        assert_eq!(first(&mut keeper), in_step("rules\n"));
        assert_eq!(claim.text("AGENTS.md"), "rules\n");
    }
}

#[test]
fn what_an_agent_writes_around_creels_section_stays_in_a_seed() {
    let claim = Claim::new();
    let wants = |section: &str| {
        let mut file = seed("AGENTS.md", "rules\n");
        file["section"] = json!(section);
        claim.wants(&[file]);
    };
    wants("one");
    let mut keeper = claim.keeper();
    first(&mut keeper);
    let text = claim.text("AGENTS.md").replace("rules", "my own rules") + "more\n";
    fs::write(claim.path("AGENTS.md"), &text).unwrap();
    assert!(matches!(first(&mut keeper), State::Evolved { .. }));
    assert_eq!(claim.text("AGENTS.md"), text);
    wants("two");
    first(&mut keeper);
    let text = claim.text("AGENTS.md");
    for part in ["my own rules\n", "more\n", "two\n"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_workspace_that_may_not_be_written_is_told() {
    let claim = Claim::new();
    fs::create_dir_all(claim.path("")).unwrap();
    fs::set_permissions(claim.path(""), fs::Permissions::from_mode(0o555)).unwrap();
    claim.wants(&[managed("SOUL.md", "one")]);
    let writable = fs::write(claim.path("probe"), "").is_ok();
    if !writable {
        assert!(fault(&mut claim.keeper()).starts_with("the file cannot be written"));
    }
    fs::set_permissions(claim.path(""), fs::Permissions::from_mode(0o755)).unwrap();
}
