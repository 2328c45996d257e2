//! A table as `kubectl get` prints it. Pure.

use std::collections::BTreeMap;

/// The rows by their cells' headings. A cell may be empty, and a heading may hold a space, so columns are told apart by where they begin.
#[must_use]
pub fn rows(table: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = table.lines();
    let Some(head) = lines.next() else { return Vec::new() };
    let columns = columns(head);
    let cell = |line: &str, from: usize, to: Option<usize>| {
        let to = to.unwrap_or(line.len()).min(line.len());
        line.get(from..to).unwrap_or_default().trim().to_owned()
    };
    lines
        .map(|line| {
            let ends = columns.iter().skip(1).map(|(from, _)| Some(*from)).chain([None]);
            columns.iter().zip(ends).map(|((from, name), to)| (name.clone(), cell(line, *from, to))).collect()
        })
        .collect()
}

/// Where each column begins, and its heading. Between two headings are at least two spaces.
fn columns(head: &str) -> Vec<(usize, String)> {
    let mut columns = Vec::new();
    let mut from = 0;
    for heading in head.split("  ") {
        let name = heading.trim();
        if !name.is_empty() {
            columns.push((from + heading.len() - heading.trim_start().len(), name.to_owned()));
        }
        from += heading.len() + 2;
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_their_headings_also_beside_empty_ones() {
        let table = "\
NAME    SUSPEND   NEXT RUN               LAST        AGE
notes             2026-11-21T16:00:00Z   Succeeded   5m
rests   true                                         12s
";
        let rows = rows(table);
        assert_eq!(rows[0]["NEXT RUN"], "2026-11-21T16:00:00Z");
        assert_eq!(
            (rows[0]["SUSPEND"].as_str(), rows[0]["LAST"].as_str(), rows[0]["AGE"].as_str()),
            ("", "Succeeded", "5m")
        );
        assert_eq!(
            (rows[1]["NAME"].as_str(), rows[1]["SUSPEND"].as_str(), rows[1]["AGE"].as_str()),
            ("rests", "true", "12s")
        );
        assert_eq!((rows[1]["NEXT RUN"].as_str(), rows[1]["LAST"].as_str()), ("", ""));
    }
}
