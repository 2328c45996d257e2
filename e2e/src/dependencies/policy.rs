//! The rules of `deny.toml` and which crates break them. The part of cargo-deny's format that is used; anything else in the file is an
//! error, so that no rule goes unheeded. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::metadata::Package;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub graph: Graph,
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Graph {
    /// The platforms for which the binaries are built.
    pub targets: Vec<String>,
    #[serde(rename = "all-features")]
    _all_features: True,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    /// SPDX identifiers, with exceptions.
    allow: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    #[serde(rename = "multiple-versions")]
    _multiple_versions: Deny,
    #[serde(rename = "multiple-versions-include-dev")]
    _multiple_versions_include_dev: True,
    deny: Vec<Named>,
    /// `name@version`: may be there beside another version.
    skip: Vec<Named>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    #[serde(rename = "unknown-registry")]
    _unknown_registry: Deny,
    #[serde(rename = "unknown-git")]
    _unknown_git: Deny,
    allow_registry: BTreeSet<String>,
}

/// The only value that is understood.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Deny {
    Deny,
}

/// Likewise.
#[derive(Debug, Deserialize)]
#[serde(try_from = "bool")]
struct True;

impl TryFrom<bool> for True {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, Self::Error> {
        if value { Ok(Self) } else { Err("only true is supported") }
    }
}

impl Policy {
    /// One line for each crate that breaks a rule and for each rule that is out of date.
    pub fn findings(&self, packages: &[Package]) -> Vec<String> {
        let foreign: Vec<_> = packages.iter().filter(|package| package.source.is_some()).collect();
        let licenses = foreign.iter().filter_map(|package| self.licenses.finding(package));
        let sources = foreign.iter().filter_map(|package| self.sources.finding(package));
        licenses.chain(sources).chain(self.bans.denied(&foreign)).chain(self.bans.copies(&foreign)).collect()
    }
}

impl Licenses {
    fn finding(&self, package: &Package) -> Option<String> {
        let named = id(package);
        let Some(license) = &package.license else { return Some(format!("{named}: names no license")) };
        let Ok(expression) = spdx::Expression::parse_mode(license, spdx::ParseMode::LAX) else {
            return Some(format!("{named}: its license is no SPDX expression: {license}"));
        };
        let allowed = expression.evaluate(|license| self.allow.contains(&license.to_string()));
        (!allowed).then(|| format!("{named}: its license is not in licenses.allow: {license}"))
    }
}

impl Sources {
    fn finding(&self, package: &Package) -> Option<String> {
        let source = package.source.as_deref().unwrap_or_default();
        let known = source.strip_prefix("registry+").is_some_and(|registry| self.allow_registry.contains(registry));
        (!known).then(|| format!("{}: its source is not in sources.allow-registry: {source}", id(package)))
    }
}

impl Bans {
    fn denied(&self, packages: &[&Package]) -> Vec<String> {
        let rule = |package: &&Package| self.deny.iter().find(|denied| denied.name == package.name);
        let finding = |package| rule(package).map(|rule| format!("{}: is in bans.deny: {}", id(package), rule.reason));
        packages.iter().filter_map(finding).collect()
    }

    /// Crates that are there in several versions, except those that are skipped; and what is skipped for nothing.
    fn copies(&self, packages: &[&Package]) -> Vec<String> {
        let mut versions = BTreeMap::<_, BTreeSet<_>>::new();
        for package in packages {
            versions.entry(package.name.as_str()).or_default().insert(id(package));
        }
        versions.retain(|_, versions| versions.len() > 1);
        let skipped: BTreeSet<_> = self.skip.iter().map(|skip| skip.name.clone()).collect();
        let stale = skipped.iter().filter(|skip| !versions.values().flatten().any(|there| there == *skip));
        let stale = stale.map(|skip| format!("{skip}: is in bans.skip, but it is not there beside another version"));
        let left = versions.values().map(|versions| versions.difference(&skipped).cloned().collect::<Vec<_>>());
        let copies = left.filter(|left| left.len() > 1);
        copies
            .map(|left| format!("{}: several versions; add all but one to bans.skip", left.join(", ")))
            .chain(stale)
            .collect()
    }
}

/// As rules name it.
fn id(package: &Package) -> String {
    format!("{}@{}", package.name, package.version)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;
    use crate::chart::workspace;

    fn policy() -> Policy {
        let rules = std::fs::read_to_string(workspace().join("deny.toml")).unwrap();
        let mut policy: Policy = toml::from_str(&rules).unwrap();
        policy.bans.skip.clear();
        policy
    }

    fn package(name: &str, version: &str, license: &str) -> Package {
        let source = "registry+https://github.com/rust-lang/crates.io-index";
        serde_json::from_value(json!({"id": format!("{name}-{version}"), "name": name, "version": version,
            "license": license, "source": source, "manifest_path": "/x", "targets": []}))
        .unwrap()
    }

    #[test]
    fn a_license_must_be_allowed_by_what_one_may_choose_or_must_take() {
        let findings = |license| policy().findings(&[package("a", "1.0.0", license)]);
        for fine in ["MIT OR GPL-3.0-only", "MIT/Apache-2.0", "Apache-2.0 WITH LLVM-exception", "(MIT OR X11) AND ISC"]
        {
            assert_eq!(findings(fine), Vec::<String>::new(), "{fine}");
        }
        for wrong in ["GPL-3.0-only", "MIT AND LGPL-2.1-only", "GPL-2.0-only WITH LLVM-exception", "mine"] {
            assert!(findings(wrong)[0].starts_with("a@1.0.0: its license is "), "{wrong}");
        }
        let mut unlicensed = package("a", "1.0.0", "");
        unlicensed.license = None;
        assert_eq!(policy().findings(&[unlicensed]), ["a@1.0.0: names no license"]);
    }

    #[test]
    fn a_crate_comes_from_the_registry_or_from_the_checkout() {
        let from = |source: Option<&str>| {
            let mut package = package("a", "1.0.0", "MIT");
            package.source = source.map(str::to_owned);
            policy().findings(&[package]).len()
        };
        assert_eq!(from(None), 0);
        assert_eq!(from(Some("git+https://example.com/a#1")), 1);
        assert_eq!(from(Some("registry+https://example.com/index")), 1);
    }

    #[test]
    fn a_second_version_is_known_or_found_and_so_is_a_rule_without_one() {
        let packages = [package("a", "1.0.0", "MIT"), package("a", "2.0.0", "MIT"), package("b", "1.0.0", "MIT")];
        let with = |skip: &[&str]| {
            let mut policy = policy();
            let named = |name: &&str| Named { name: (*name).to_owned(), reason: String::new() };
            policy.bans.skip = skip.iter().map(named).collect();
            policy.findings(&packages)
        };
        assert_eq!(with(&[]), ["a@1.0.0, a@2.0.0: several versions; add all but one to bans.skip"]);
        assert_eq!(with(&["a@1.0.0"]), Vec::<String>::new());
        let stale = ["b@1.0.0: is in bans.skip, but it is not there beside another version"];
        assert_eq!(with(&["a@1.0.0", "b@1.0.0"]), stale);
    }

    #[test]
    fn what_is_banned_is_found_with_the_reason() {
        let findings = policy().findings(&[package("openssl-sys", "0.9.0", "MIT")]);
        assert!(findings[0].starts_with("openssl-sys@0.9.0: is in bans.deny: TLS is rustls"), "{findings:?}");
    }

    #[test]
    fn a_rule_that_is_not_understood_is_an_error() {
        for rules in ["[licenses]\nallow = []\nconfidence-threshold = 0.8", "[bans]\nmultiple-versions = \"warn\""] {
            assert!(toml::from_str::<Policy>(rules).is_err());
        }
    }
}
