//! How many bytes the binaries in Creel's image have. Reads the disk.

use crate::images::Image;

use super::error::Error;
use super::table::{Row, Unit};

/// The binaries and their goals in megabytes.
const BINARIES: [(&str, f64); 2] = [("creel", 15.0), ("creel-shell", 4.0)];

/// The binaries as they lie beside the image's archive, from which it was written.
pub fn measure(image: &Image) -> Result<Vec<Row>, Error> {
    let root = image.archive.with_file_name("root");
    let mut rows = Vec::new();
    for (name, goal) in BINARIES {
        let path = root.join(name);
        let bytes = std::fs::metadata(&path).map_err(|source| Error::Binary { path, source })?.len();
        #[allow(clippy::cast_precision_loss, reason = "a binary has fewer than 2^52 bytes")]
        let megabytes = bytes as f64 / 1e6;
        rows.push(Row::new(format!("size of {name}"), Unit::Megabytes, Some(megabytes)).goal(goal));
    }
    Ok(rows)
}
