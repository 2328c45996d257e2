//! Writes a directory tree as an image: one layer in an archive of the OCI image layout, which containerd imports.
//! The same tree gives the same digest, whenever and wherever it is built. Touches the disk.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::Error;
use crate::command::run;

/// An image in a file, ready to be imported.
#[derive(Debug, Clone)]
pub struct Image {
    /// Repository and tag.
    pub name: String,
    /// An archive of the OCI image layout.
    pub archive: PathBuf,
    /// The manifest's digest, `sha256:…`: equal digests are equal images.
    pub digest: String,
}

/// What `write` makes an image of.
#[derive(Debug)]
pub struct Contents<'a> {
    pub name: &'a str,
    /// The image's root directory.
    pub root: &'a Path,
    pub owners: Owners,
    pub about: About<'a>,
    /// The `config` object of the OCI image specification: `Entrypoint`, `Cmd`, `Env`, `User`, `WorkingDir`.
    pub config: Value,
}

/// Whose the files in the image are.
#[derive(Debug, Clone, Copy)]
pub enum Owners {
    /// Those of the root directory, and its modes: a Debian has several.
    Kept,
    /// root's alone. Who built the image, and with which umask, leaves no trace.
    Root,
}

/// What an image says of itself. No time and no revision: both would give the same contents another digest.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub title: &'a str,
    pub description: &'a str,
    pub version: &'a str,
    /// An SPDX expression, where one is enough.
    pub licenses: Option<&'a str>,
    pub source: Option<&'a str>,
}

impl About<'_> {
    /// By the names that the OCI image specification defines.
    fn annotations(&self) -> Value {
        let all = [
            ("title", Some(self.title)),
            ("description", Some(self.description)),
            ("version", Some(self.version)),
            ("licenses", self.licenses),
            ("source", self.source),
        ];
        all.into_iter()
            .filter_map(|(name, value)| Some((format!("org.opencontainers.image.{name}"), json!(value?))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// Bytes of a blob that are hashed at a time.
const READ_AT_ONCE: usize = 1 << 20;

/// A blob of the layout: what a descriptor says about it.
struct Blob {
    digest: String,
    size: u64,
}

/// Writes `directory`/image.tar. The directory also holds the layout meanwhile, so it needs room for twice the image.
pub async fn write(contents: &Contents<'_>, directory: &Path) -> Result<Image, Error> {
    let layout = directory.join("layout");
    let blobs = layout.join("blobs/sha256");
    disk(&blobs, std::fs::create_dir_all(&blobs))?;
    let layer = layer(contents, &blobs).await?;
    let annotations = contents.about.annotations();
    let mut settings = contents.config.clone();
    settings["Labels"] = annotations.clone();
    let config = put(
        &blobs,
        &json!({
            "architecture": architecture(),
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        }),
    )?;
    let manifest = put(
        &blobs,
        &json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
            "annotations": annotations,
        }),
    )?;
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    // containerd takes the whole name from its own annotation; the standard one holds the tag only.
    entry["annotations"] = json!({"io.containerd.image.name": contents.name});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    disk(&layout, std::fs::write(layout.join("index.json"), index.to_string()))?;
    disk(&layout, std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#))?;

    let archive = directory.join("image.tar");
    tar(&layout, &archive, &AS_ROOT).await?;
    disk(&layout, std::fs::remove_dir_all(&layout))?;
    Ok(Image { name: contents.name.to_owned(), archive, digest: manifest.digest })
}

const AS_ROOT: [&str; 3] = ["--owner=0", "--group=0", "--mode=u+rwX,go=rX"];

async fn layer(contents: &Contents<'_>, blobs: &Path) -> Result<Blob, Error> {
    let unnamed = blobs.join("layer");
    let options: &[&str] = match contents.owners {
        Owners::Kept => &["--xattrs"],
        Owners::Root => &AS_ROOT,
    };
    tar(contents.root, &unnamed, options).await?;
    let blob = disk(&unnamed, digest(&unnamed))?;
    disk(&unnamed, std::fs::rename(&unnamed, blobs.join(hexadecimal(&blob.digest))))?;
    Ok(blob)
}

/// GNU tar rather than a crate: it keeps hard links, device nodes and capabilities of a whole Debian.
async fn tar(root: &Path, archive: &Path, options: &[&str]) -> Result<(), Error> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--mtime=@0", "--numeric-owner", "--format=posix"])
        // Otherwise the format notes when each file was read.
        .arg("--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime")
        .args(options);
    run(tar.arg("--file").arg(archive).arg("--directory").arg(root).arg(".")).await?;
    Ok(())
}

fn digest(path: &Path) -> io::Result<Blob> {
    let (mut file, mut hash, mut size) = (File::open(path)?, Sha256::new(), 0);
    let mut buffer = vec![0; READ_AT_ONCE];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Blob { digest: format!("sha256:{}", hex::encode(hash.finalize())), size });
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
}

fn put(blobs: &Path, value: &Value) -> Result<Blob, Error> {
    let text = value.to_string();
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&text)));
    let path = blobs.join(hexadecimal(&digest));
    disk(&path, std::fs::write(&path, &text))?;
    Ok(Blob { digest, size: text.len() as u64 })
}

fn descriptor(media_type: &str, blob: &Blob) -> Value {
    json!({"mediaType": media_type, "digest": blob.digest, "size": blob.size})
}

fn hexadecimal(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}

/// The machine's architecture in the words of the image specification, which are Go's.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn disk<T>(path: &Path, result: io::Result<T>) -> Result<T, Error> {
    result.map_err(|source| Error::Disk { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, chown};
    use std::time::SystemTime;

    use super::*;

    const ABOUT: About<'_> =
        About { title: "Test", description: "A test.", version: "1", licenses: Some("MIT"), source: None };

    #[test]
    fn an_image_says_what_it_is_by_standard_names_and_only_what_is_known() {
        let said = json!({
            "org.opencontainers.image.title": "Test",
            "org.opencontainers.image.description": "A test.",
            "org.opencontainers.image.version": "1",
            "org.opencontainers.image.licenses": "MIT",
        });
        assert_eq!(ABOUT.annotations(), said);
    }

    const SOMEBODY: u32 = 4711;

    async fn digest_of(root: &Path, owners: Owners) -> String {
        let config = json!({"Entrypoint": ["/file"]});
        let contents = Contents { name: "localhost/test:1", root, owners, about: ABOUT, config };
        write(&contents, root.parent().unwrap()).await.unwrap().digest
    }

    fn tree(directory: &Path) -> PathBuf {
        let root = directory.join("root");
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("file"), "text").unwrap();
        root
    }

    #[tokio::test]
    async fn the_same_tree_gives_the_same_digest() {
        let scratch = std::env::temp_dir().join(format!("creel-archive-{}", std::process::id()));
        let (a, b) = (tree(&scratch.join("a")), tree(&scratch.join("b")));
        for owners in [Owners::Kept, Owners::Root] {
            assert_eq!(digest_of(&a, owners).await, digest_of(&b, owners).await, "{owners:?}");
        }
        fs::remove_dir_all(scratch).unwrap();
    }

    #[tokio::test]
    async fn who_built_an_image_of_roots_files_and_when_leaves_no_trace() {
        let scratch = std::env::temp_dir().join(format!("creel-archive-owners-{}", std::process::id()));
        let root = tree(&scratch);
        let before = digest_of(&root, Owners::Root).await;
        let file = root.join("file");
        fs::File::options().write(true).open(&file).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        // Only root can give a file away.
        chown(&file, Some(SOMEBODY), Some(SOMEBODY)).ok();
        assert_eq!(before, digest_of(&root, Owners::Root).await);
        assert_ne!(before, digest_of(&root, Owners::Kept).await);
        fs::remove_dir_all(scratch).unwrap();
    }
}
