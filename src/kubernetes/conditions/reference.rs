//! The reference of conditions and reasons as Markdown, committed as `docs/reference/reasons.md`. Pure.

use std::fmt::Write;

use super::TYPES;
use super::reason::{GROUPS, Reason};

const INTRODUCTION: &str = "\
<!-- Generated from src/kubernetes/conditions by `cargo run -p e2e --bin generate`; do not edit. -->

# Conditions and reasons

`kubectl describe` shows the conditions of every object. Start with `Ready`; its message names the object, the field and the remedy. \
While Creel is working, `Ready` is `Unknown` and `Reconciling` is `True`. Once a person must act, `Ready` is `False` and `Stalled` is \
`True`. A missing reference counts as work in progress for two minutes, because it may be created in the same `kubectl apply`.

Reasons are stable: alerts and dashboards can match them. Messages can change in any version.

## Condition types
";

/// The page.
#[must_use]
pub fn reference() -> String {
    let mut page = format!("{INTRODUCTION}\n| type | on | `True` means |\n|---|---|---|\n");
    for one in TYPES {
        row(&mut page, &[&format!("`{}`", one.name), one.kinds, one.meaning]);
    }
    for group in GROUPS {
        page.extend([
            "\n## ",
            group.title,
            "\n\nOn ",
            group.place,
            ".\n\n| reason | meaning | remedy |\n|---|---|---|\n",
        ]);
        for Reason { name, meaning, remedy } in group.reasons {
            row(&mut page, &[&format!("`{name}`"), meaning, remedy]);
        }
    }
    page
}

fn row(page: &mut String, cells: &[&str]) {
    let cells: Vec<_> = cells.iter().map(|cell| cell.trim()).collect();
    // Writing to a string does not fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_committed_reference_is_fresh() {
        let path = format!("{}/docs/reference/reasons.md", env!("CARGO_MANIFEST_DIR"));
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == reference(), "docs/reference/reasons.md is stale: run `cargo run -p e2e --bin generate`");
    }

    #[test]
    fn each_reason_is_defined_once_in_the_form_that_kubernetes_requires() {
        let names: Vec<_> = GROUPS.iter().flat_map(|group| group.reasons).map(|reason| reason.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for name in names {
            assert!(name.starts_with(char::is_uppercase) && name.chars().all(char::is_alphanumeric), "{name}");
        }
    }

    #[test]
    fn a_meaning_is_a_sentence_and_no_cell_breaks_the_table() {
        for reason in GROUPS.iter().flat_map(|group| group.reasons) {
            assert!(reason.meaning.ends_with('.'), "{}", reason.name);
            assert!(reason.remedy.is_empty() || reason.remedy.ends_with('.'), "{}", reason.name);
            assert!(!reason.meaning.contains('|') && !reason.remedy.contains('|'), "{}", reason.name);
        }
    }
}
