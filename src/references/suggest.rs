//! The name that was probably meant. Pure.

/// The candidate closest to `wanted`, if one is close enough to be a slip of the keyboard.
#[must_use]
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(wanted, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|(a, x), (b, y)| a.total_cmp(b).then_with(|| y.cmp(x)))
        .map(|(_, candidate)| candidate)
}

/// ` (did you mean "x"?)`, or nothing.
#[must_use]
pub fn suggestion<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wanted, candidates).map(|name| format!(" (did you mean \"{name}\"?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        assert_eq!(nearest("gpt-4o-mimi", ["deepseek-v3", "gpt-4o-mini"]), Some("gpt-4o-mini"));
        assert_eq!(nearest("xyz", ["deepseek-v3", "gpt-4o-mini"]), None);
    }
}
