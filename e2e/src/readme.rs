//! What the README promises to be complete is complete. Reads the checkout.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::chart::workspace;

fn read(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path)).unwrap()
}

#[test]
fn every_reason_of_a_condition_is_in_the_table() {
    let source = read("src/kubernetes/conditions.rs");
    let (_, reasons) = source.split_once("pub mod reason {").unwrap();
    let (reasons, _) = reasons.split_once("\n}\n").unwrap();
    let values: Vec<&str> = reasons.split('"').skip(1).step_by(2).collect();
    let readme = read("README.md");
    let missing: Vec<_> = values.iter().filter(|value| !readme.contains(&format!("`{value}`"))).collect();
    assert!(values.len() > 10 && missing.is_empty(), "add to the table of reasons in README.md: {missing:?}");
}

#[test]
fn every_reason_in_the_table_exists() {
    let readme = read("README.md");
    let (_, table) = readme.split_once("| reason | meaning |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let source = read("src/kubernetes/conditions.rs");
    let first_cells = table.lines().filter_map(|line| line.split('|').nth(1));
    let unknown: Vec<_> = first_cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|reason| !source.contains(&format!("\"{reason}\"")))
        .collect();
    assert!(unknown.is_empty(), "the table of reasons in README.md holds what no longer exists: {unknown:?}");
}
