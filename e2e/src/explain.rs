//! An error and its causes as lines for a person. Pure.

use std::error::Error;

/// The error, then each cause that its predecessor's text does not already contain, on lines of their own.
#[must_use]
pub fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.contains(&line) {
            text.push_str("\n  because: ");
            text.push_str(&line);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    #[test]
    fn each_cause_is_told_once() {
        let root = Link { text: "no such file", source: None };
        let middle = Link { text: "cannot read x: no such file", source: Some(Box::new(root)) };
        let top = Link { text: "cannot start", source: Some(Box::new(middle)) };
        assert_eq!(explain(&top), "cannot start\n  because: cannot read x: no such file");
    }
}
