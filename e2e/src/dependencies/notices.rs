//! The notices of third parties: each crate that is linked, its license, and the texts that the license wants to be passed on. The same
//! crates give the same text. Reads the sources that Cargo has unpacked.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::DependenciesError;
use super::metadata::Package;

/// What is linked and no crate: the standard library of Rust, and a C library.
const RUNTIMES: &str = include_str!("runtimes.txt");
/// What files with licenses and notices are called, in capitals.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
/// Of licenses that one may choose from, the one with the shortest text.
const PREFERRED: &str = "MIT";
/// The license of Creel itself, whose text stands for crates that bring none.
const OWN: &str = "Apache-2.0";
const RULE: &str = "================================================================================";

/// A crate and what it says about licenses.
#[derive(Debug)]
pub struct Crate {
    pub name: String,
    pub version: String,
    pub license: String,
    /// By the paths of their files.
    pub texts: Vec<String>,
}

/// Reads the texts that come with a crate.
pub fn collect(package: &Package) -> Result<Crate, DependenciesError> {
    let directory = package.manifest_path.parent().unwrap_or(Path::new("/"));
    let license = package.license.clone().unwrap_or_default();
    let mut paths = Vec::new();
    find(directory, &mut paths)?;
    paths.sort();
    let texts = wanted(directory, &license, &paths).into_iter().map(|path| {
        let text = fs::read(path).map_err(|source| DependenciesError::Disk { path: path.clone(), source })?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    });
    let texts = texts.collect::<Result<_, DependenciesError>>()?;
    Ok(Crate { name: package.name.clone(), version: package.version.clone(), license, texts })
}

/// Finds files with such names, also of code that a crate brings along.
fn find(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), DependenciesError> {
    let disk = |source| DependenciesError::Disk { path: directory.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(disk)? {
        let path = entry.map_err(disk)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        // A crate whose module has such a name means no text by it.
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        if path.is_dir() {
            find(&path, found)?;
        } else if !is_source && NAMES.iter().any(|begin| name.starts_with(begin)) {
            found.push(path);
        }
    }
    Ok(())
}

/// Without the texts of licenses that need not be chosen, as far as their files say by their names.
fn wanted<'a>(directory: &Path, license: &str, paths: &'a [PathBuf]) -> Vec<&'a PathBuf> {
    let of = |path: &PathBuf, license: &str| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        path.parent() == Some(directory) && name.starts_with("LICEN") && name.contains(license)
    };
    let suffices = spdx::Expression::parse_mode(license, spdx::ParseMode::LAX)
        .is_ok_and(|expression| expression.evaluate(|one| one.to_string() == PREFERRED));
    let is_chosen = suffices && paths.iter().any(|path| of(path, PREFERRED));
    let others = ["APACHE", "UNLICENSE", "ZLIB", "BSD", "ISC", "BOOST"];
    let is_other = |path: &PathBuf| others.iter().any(|other| of(path, other)) || path.ends_with("UNLICENSE");
    paths.iter().filter(|path| !is_chosen || !is_other(path)).collect()
}

/// The whole file. Texts that differ only in white space are there once.
pub fn render(crates: &[Crate], own: &str) -> Result<String, DependenciesError> {
    let mut texts = Texts::default();
    let mut list = String::new();
    for one in crates {
        let Crate { name, version, license, .. } = one;
        let numbers: Vec<_> = match one.texts.as_slice() {
            [] if license == OWN => vec![texts.number(own)],
            [] => {
                let (name, version, license) = (name.clone(), version.clone(), license.clone());
                return Err(DependenciesError::NoText { name, version, license });
            }
            own => own.iter().map(|text| texts.number(text)).collect(),
        };
        let numbers = numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        // Writing to a String never fails.
        writeln!(list, "{name} {version}: {license} [{numbers}]").ok();
    }
    let mut all =
        format!("{RUNTIMES}\n{RULE}\n\nCrates, their licenses, and the numbers of their texts below:\n\n{list}");
    for (at, text) in texts.0.iter().enumerate() {
        write!(all, "\n{RULE}\n[{}]\n\n{text}\n", at + 1).ok();
    }
    Ok(all)
}

/// Different texts, in the order in which they came.
#[derive(Default)]
struct Texts(Vec<String>);

impl Texts {
    /// The number of a text, from 1.
    fn number(&mut self, text: &str) -> usize {
        let same = |other: &String| other.split_whitespace().eq(text.split_whitespace());
        if let Some(at) = self.0.iter().position(same) {
            return at + 1;
        }
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        self.0.push(lines.join("\n").trim_matches('\n').to_owned());
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn with(name: &str, license: &str, texts: &[&str]) -> Crate {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        Crate { name: name.into(), version: "1.0.0".into(), license: license.into(), texts }
    }

    fn names(license: &str, files: &[&str]) -> Vec<String> {
        let paths: Vec<_> = files.iter().map(|file| Path::new("/x").join(file)).collect();
        let wanted = wanted(Path::new("/x"), license, &paths);
        wanted.into_iter().map(|path| path.strip_prefix("/x").unwrap().display().to_string()).collect()
    }

    #[test]
    fn a_text_is_there_once_however_its_lines_are_broken() {
        let crates =
            [with("a", "MIT", &["Do what\nyou like.\n"]), with("b", "ISC", &["Do  what you like.", "No warranty."])];
        let rendered = render(&crates, "").unwrap();
        assert!(rendered.contains("\na 1.0.0: MIT [1]\nb 1.0.0: ISC [1, 2]\n"), "{rendered}");
        assert!(
            rendered.ends_with(&format!("[1]\n\nDo what\nyou like.\n\n{RULE}\n[2]\n\nNo warranty.\n")),
            "{rendered}"
        );
    }

    #[test]
    fn a_crate_without_a_text_has_creels_own_or_is_an_error() {
        let rendered = render(&[with("a", "Apache-2.0", &[])], "The text of it").unwrap();
        assert!(rendered.ends_with("[1]\n\nThe text of it\n"), "{rendered}");
        let error = render(&[with("a", "MIT", &[])], "").unwrap_err();
        assert!(error.to_string().starts_with("a 1.0.0 is licensed under MIT and brings no text"), "{error}");
    }

    #[test]
    fn where_a_license_may_be_chosen_the_shortest_is_and_notices_are_kept() {
        let files = ["COPYRIGHT", "LICENSE-APACHE", "LICENSE-MIT", "third_party/LICENSE-APACHE"];
        let chosen = ["COPYRIGHT", "LICENSE-MIT", "third_party/LICENSE-APACHE"];
        assert_eq!(names("MIT OR Apache-2.0", &files), chosen);
        assert_eq!(names("MIT AND Apache-2.0", &files), files);
        assert_eq!(names("MIT OR Apache-2.0", &["LICENSE", "LICENSE-APACHE"]), ["LICENSE", "LICENSE-APACHE"]);
        assert_eq!(names("Unlicense OR MIT", &["LICENSE-MIT", "UNLICENSE"]), ["LICENSE-MIT"]);
    }
}
