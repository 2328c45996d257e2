//! Brings one file in line with the document by its policy. Touches the disk through `place` and `record`.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::document::{File, Policy};
use super::place::{Place, PlaceError};
use super::record::{Entry, Kept, Record};
use super::report::State;
use super::section;

/// At the end of the name of the file that holds an agent's version of a managed one.
pub const KEPT: &str = ".kept";

/// What names a content: 16 hex digits.
pub fn hash(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..8])
}

/// Brings the file in line. `now`: seconds since 1970.
pub fn keep(
    place: &Place<'_>,
    directory: &str,
    file: &File,
    record: &mut Record,
    now: i64,
) -> Result<State, PlaceError> {
    match file.policy {
        Policy::SeedOnce => seed(place, file),
        Policy::Managed => manage(place, directory, file, record, now),
    }
}

/// A file that is there stays as it is, but for Creel's section.
fn seed(place: &Place<'_>, file: &File) -> Result<State, PlaceError> {
    let section = file.section.as_deref();
    let Some(found) = place.read()? else {
        place.write(section::with(&file.content, section.unwrap_or_default()).as_bytes())?;
        return Ok(State::in_step(&file.content));
    };
    if let (Some(section), Ok(text)) = (section, std::str::from_utf8(&found.bytes))
        && let Some(replaced) = section::replaced(text, section)
    {
        place.write(replaced.as_bytes())?;
    }
    let body = body(file, &found.bytes);
    Ok(if *body == *file.content.as_bytes() {
        State::in_step(&file.content)
    } else {
        State::Evolved { hash: hash(&body), since: found.changed }
    })
}

/// What the file holds beside Creel's section.
fn body<'a>(file: &File, found: &'a [u8]) -> Cow<'a, [u8]> {
    match (&file.section, std::str::from_utf8(found)) {
        (Some(_), Ok(text)) => Cow::Owned(section::without(text).into_bytes()),
        _ => Cow::Borrowed(found),
    }
}

/// A file that is not as it should be is put back. What neither Creel nor the operator wrote is kept beside it first.
fn manage(place: &Place<'_>, directory: &str, file: &File, record: &mut Record, now: i64) -> Result<State, PlaceError> {
    let wanted = section::with(&file.content, file.section.as_deref().unwrap_or_default());
    let own = hash(file.content.as_bytes());
    let mut entry = record.of(directory, &file.path);
    let found = place.read()?.map(|content| content.bytes);
    let is_right = found.as_deref() == Some(wanted.as_bytes());
    if let Some(found) = found.filter(|_| !is_right) {
        let theirs = hash(&body(file, &found));
        if theirs != own && !entry.is_own(&theirs) {
            place.write_beside(KEPT, &found)?;
            entry.kept = Some(Kept { hash: theirs, since: now });
        }
    }
    if entry.kept.is_some() && !place.is_beside(KEPT) {
        entry.kept = None;
    }
    let entry: Entry = entry.with_own(&own);
    // Before the file: cut short in between, either content is known as Creel's own.
    record.put(directory, &file.path, entry.clone())?;
    if !is_right {
        place.write(wanted.as_bytes())?;
    }
    Ok(match entry.kept {
        Some(Kept { hash, since }) => State::Conflict { hash, since, kept: format!("{}{KEPT}", file.path) },
        None => State::in_step(&file.content),
    })
}
