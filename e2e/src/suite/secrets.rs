//! Secret values that can be recognised wherever they should not be. Pure but for the clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

/// Every secret value of the suite begins with this.
pub const MARKER: &str = "creel-secret-";
/// How a value that begins with [`MARKER`] begins in base64.
pub const MARKER_BASE64: &str = "Y3JlZWwtc2VjcmV0L";

static COUNT: AtomicU64 = AtomicU64::new(0);

/// A value that no other test has, and no other run: [`MARKER`], what it is for, and random digits.
#[must_use]
pub fn secret_value(purpose: &str) -> String {
    format!("{MARKER}{purpose}-{}", random(16))
}

/// So many (at most 64) hexadecimal digits that differ at each call and in each process.
#[must_use]
pub fn random(digits: usize) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut text = hex::encode(Sha256::digest(format!("{now} {count} {}", std::process::id())));
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_values_are_equal() {
        assert_ne!(secret_value("key"), secret_value("key"));
        assert!(secret_value("key").starts_with("creel-secret-key-"));
    }
}
