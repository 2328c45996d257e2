//! Modules name their neighbours only downwards, and the controllers do not name each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// From the ground up. Rooms of one row do not know each other.
const LAYERS: [&[&str]; 11] = [
    &["api"],
    &["settings"],
    &["naming", "telemetry"],
    &["openclaw", "kubernetes"],
    &["references", "pods"],
    &["world"],
    &["declarations", "fence"],
    &["gateway", "agent", "sandbox", "sandbox_template", "jobs", "devices", "channels", "cron_job", "provider"],
    &["operator"],
    &["lib"],
    &["main"],
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.chain(directories.iter().flat_map(|path| self::files(path))).collect()
}

/// What the product is made of: tests may look into any room.
fn is_product(path: &Path) -> bool {
    let is_test = |part: &str| matches!(part, "tests" | "tests.rs" | "fixtures.rs");
    !path.components().any(|part| is_test(&part.as_os_str().to_string_lossy()))
}

/// The code of a file, without comments and tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\n").next().unwrap_or_default();
    text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with("//")).collect()
}

/// The names that follow `prefix`, as in `prefix::name` and `prefix::{one, two::three}`.
fn named_after(prefix: &str, code: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = BTreeSet::new();
    for rest in code.split(&format!("{prefix}::")).skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => {
                let (mut depth, mut start) = (0, true);
                for (position, character) in group.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        _ if start && character.is_alphabetic() => {
                            names.insert(word(&group[position..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
            None => {
                names.insert(word(rest));
            }
        }
    }
    names
}

/// The room of a file: the first part of its path below `src`.
fn room(path: &Path) -> String {
    let first = path.strip_prefix(source()).unwrap().components().next().unwrap();
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn modules_name_their_neighbours_only_downwards() {
    let mut faults = BTreeSet::new();
    for path in files(&source()).into_iter().filter(|path| is_product(path)) {
        let own = room(&path);
        let Some(height) = layer(&own) else {
            faults.insert(format!("{own} has no layer: add it to this test"));
            continue;
        };
        let others = named_after("crate", &code(&path)).into_iter().filter(|other| *other != own);
        for other in others.filter(|other| layer(other).is_some_and(|of_other| of_other >= height)) {
            faults.insert(format!("{} names crate::{other}", path.strip_prefix(source()).unwrap().display()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_files_of_the_world_do_not_name_each_other_in_a_circle() {
    let world = source().join("world");
    let mut names: BTreeMap<String, BTreeSet<String>> = files(&world)
        .into_iter()
        .filter(|path| is_product(path) && !path.ends_with("mod.rs"))
        .map(|path| {
            let code = code(&path);
            let named = named_after("super", &code).into_iter().chain(named_after("crate::world", &code));
            (path.file_stem().unwrap().to_string_lossy().into_owned(), named.collect())
        })
        .collect();
    // Who names none that is left, is no part of a circle.
    while let Some(free) = names.iter().find(|(_, named)| named.iter().all(|name| !names.contains_key(name))) {
        let free = free.0.clone();
        names.remove(&free);
    }
    assert!(names.is_empty(), "{names:#?}");
}

#[test]
fn names_are_found_in_every_form_of_use() {
    let code =
        "use crate::api::{Agent, x::Y};\nuse crate::{gateway, world::{a, b}, jobs};\nlet x = crate::naming::of();\n";
    let expected = ["api", "gateway", "jobs", "naming", "world"].map(str::to_owned);
    assert_eq!(named_after("crate", code), BTreeSet::from(expected));
}
