//! The README and `docs/`: links lead somewhere, and the texts that users read are plain English. Reads the checkout.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::chart::workspace;

/// Where Kubernetes' own words say it better; see `docs/contributing.md`.
const AVOIDED: [&str; 9] =
    ["shall", "rests", "is made", "are made", "tells", "mend", "by itself", "nobody", "somebody"];

/// The files below `directory` with this ending, all levels.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The README and all pages of `docs/`, with their text.
fn pages() -> BTreeMap<PathBuf, String> {
    let root = workspace();
    let paths = files(&root.join("docs"), "md").into_iter().chain([root.join("README.md")]);
    paths.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The lines of a page that are not inside a fenced block.
fn prose(page: &str) -> Vec<&str> {
    let mut fenced = false;
    let keep = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    };
    page.lines().filter(keep).collect()
}

/// The anchors of a page's headings, as GitHub derives them; a heading that occurs again gets a number.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::<String, usize>::new();
    let mut anchors = BTreeSet::new();
    for line in prose(page) {
        let Some((_, heading)) = line.split_once("# ").filter(|(marks, _)| marks.chars().all(|mark| mark == '#'))
        else {
            continue;
        };
        let kept = heading.trim().to_lowercase().replace(' ', "-");
        let anchor: String = kept.chars().filter(|one| one.is_alphanumeric() || matches!(one, '-' | '_')).collect();
        let times = seen.entry(anchor.clone()).or_default();
        anchors.insert(if *times == 0 { anchor } else { format!("{anchor}-{times}") });
        *times += 1;
    }
    anchors
}

/// The targets of a page's links and images.
fn targets(page: &str) -> Vec<String> {
    let text = prose(page).join("\n");
    let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let html = ["src=\"", "srcset=\"", "href=\""].into_iter().flat_map(|attribute| text.split(attribute).skip(1));
    inline.chain(html.filter_map(|rest| rest.split('"').next())).map(str::to_owned).collect()
}

/// The links of a page that lead nowhere inside the checkout.
fn broken(path: &Path, page: &str, pages: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let leads_nowhere = |target: &String| {
        if target.contains("://") {
            return false;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let there = if file.is_empty() { path.to_owned() } else { path.parent().unwrap().join(file) };
        let Ok(there) = there.canonicalize() else { return true };
        !anchor.is_empty() && !pages.get(&there).is_some_and(|page| anchors(page).contains(anchor))
    };
    targets(page).into_iter().filter(leads_nowhere).map(|target| format!("{}: {target}", path.display())).collect()
}

/// The lines that contain an avoided word, as whole words.
fn avoided<'a>(name: &str, lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let words = |text: &str| {
        let spaced: String = text.chars().map(|one| if one.is_alphanumeric() { one } else { ' ' }).collect();
        format!(" {} ", spaced.split_whitespace().collect::<Vec<_>>().join(" ")).to_lowercase()
    };
    let has_one = |line: &&str| {
        let line = words(line);
        AVOIDED.iter().any(|avoided| line.contains(&format!(" {avoided} ")))
    };
    lines.into_iter().filter(has_one).map(|line| format!("{name}: {}", line.trim())).collect()
}

/// The string literals and documentation comments of a line of Rust.
fn spoken(line: &str) -> Vec<&str> {
    let line = line.trim_start();
    if line.starts_with("//") {
        return Vec::new();
    }
    line.split('"').skip(1).step_by(2).collect()
}

#[test]
fn every_link_and_anchor_leads_somewhere() {
    let pages = pages();
    let links: usize = pages.values().map(|page| targets(page).len()).sum();
    let broken: Vec<_> = pages.iter().flat_map(|(path, page)| broken(path, page, &pages)).collect();
    assert!(links > 50, "only {links} links were found");
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let pages = pages();
    let (mut reached, mut next) = (BTreeSet::new(), vec![workspace().join("README.md").canonicalize().unwrap()]);
    while let Some(path) = next.pop() {
        let Some(page) = pages.get(&path).filter(|_| reached.insert(path.clone())) else { continue };
        let linked = targets(page).into_iter().filter(|target| !target.contains("://"));
        let files =
            linked.filter_map(|target| target.split('#').next().filter(|file| !file.is_empty()).map(str::to_owned));
        next.extend(files.filter_map(|file| path.parent().unwrap().join(file).canonicalize().ok()));
    }
    let lost: Vec<_> = pages.keys().filter(|path| !reached.contains(*path)).collect();
    assert!(lost.is_empty(), "pages without a way from the README: {lost:?}");
}

#[test]
fn the_readme_is_short() {
    let lines = fs::read_to_string(workspace().join("README.md")).unwrap().lines().count();
    assert!(lines <= 130, "the README has {lines} lines: move some of it to docs/");
}

#[test]
fn what_users_read_is_plain_english() {
    let root = workspace();
    let texts = ["crds", "charts", "manifests"].into_iter().flat_map(|directory| {
        let directory = root.join(directory);
        ["yaml", "json", "txt", "tpl"].into_iter().flat_map(move |ending| files(&directory, ending))
    });
    let texts = texts.map(|path| (path.clone(), fs::read_to_string(path).unwrap()));
    // The page for contributors quotes what to avoid.
    let pages = pages().into_iter().filter(|(path, _)| !path.ends_with("contributing.md"));
    let found: Vec<_> = texts
        .chain(pages)
        .flat_map(|(path, text)| avoided(&path.strip_prefix(&root).unwrap().display().to_string(), text.lines()))
        .collect();
    assert!(found.is_empty(), "say it in plain words:\n{}", found.join("\n"));
}

#[test]
fn what_the_operator_says_is_plain_english() {
    let root = workspace();
    let sources = files(&root.join("src"), "rs").into_iter().chain(files(&root.join("crates/creel-shell/src"), "rs"));
    let mut found = Vec::new();
    for path in sources.filter(|path| !path.ends_with("tests.rs")) {
        let text = fs::read_to_string(&path).unwrap();
        let (code, _) = text.split_once("\n#[cfg(test)]").unwrap_or((&text, ""));
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        found.extend(avoided(&name, code.lines().flat_map(spoken)));
    }
    assert!(found.is_empty(), "say it in plain words:\n{}", found.join("\n"));
}

#[test]
fn an_anchor_is_what_github_makes_of_a_heading() {
    let page = "# Conditions and reasons\n```\n# no heading\n```\n## CronJob: the runs\n## `what` (it) is\n## `what` (it) is\n";
    let wanted = ["conditions-and-reasons", "cronjob-the-runs", "what-it-is", "what-it-is-1"];
    assert_eq!(anchors(page), wanted.map(str::to_owned).into());
}

#[test]
fn an_avoided_word_counts_only_as_a_whole_word() {
    assert_eq!(avoided("x", ["It tells all.", "tellsome", "It is\tmade so", "by the way itself"]).len(), 2);
    assert_eq!(spoken("let x = \"said\"; // \"not\""), ["said", "not"]);
    assert_eq!(spoken("/// \"a comment\""), Vec::<&str>::new());
}
