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
    /// The image's root directory; owners and modes are kept.
    pub root: &'a Path,
    /// The `config` object of the OCI image specification: `Entrypoint`, `Cmd`, `Env`, `User`, `WorkingDir`.
    pub config: Value,
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
    let layer = layer(contents.root, &blobs).await?;
    let config = put(
        &blobs,
        &json!({
            "architecture": architecture(),
            "os": "linux",
            "config": contents.config,
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
        }),
    )?;
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    // containerd takes the whole name from its own annotation; the standard one holds the tag only.
    entry["annotations"] = json!({"io.containerd.image.name": contents.name});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    disk(&layout, std::fs::write(layout.join("index.json"), index.to_string()))?;
    disk(&layout, std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#))?;

    let archive = directory.join("image.tar");
    run(Command::new("tar").arg("--create").arg("--file").arg(&archive).arg("--directory").arg(&layout).arg("."))
        .await?;
    disk(&layout, std::fs::remove_dir_all(&layout))?;
    Ok(Image { name: contents.name.to_owned(), archive, digest: manifest.digest })
}

/// GNU tar rather than a crate: it keeps hard links, device nodes and capabilities of a whole Debian.
async fn layer(root: &Path, blobs: &Path) -> Result<Blob, Error> {
    let unnamed = blobs.join("layer");
    run(Command::new("tar")
        .args(["--create", "--sort=name", "--mtime=@0", "--numeric-owner", "--xattrs", "--format=posix"])
        // Otherwise the format notes when each file was read.
        .arg("--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime")
        .arg("--file")
        .arg(&unnamed)
        .arg("--directory")
        .arg(root)
        .arg("."))
    .await?;
    let blob = disk(&unnamed, digest(&unnamed))?;
    disk(&unnamed, std::fs::rename(&unnamed, blobs.join(hexadecimal(&blob.digest))))?;
    Ok(blob)
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
    use super::*;

    #[tokio::test]
    async fn the_same_tree_gives_the_same_digest() {
        let directory = std::env::temp_dir().join(format!("creel-archive-{}", std::process::id()));
        let mut digests = Vec::new();
        for build in ["a", "b"] {
            let root = directory.join(build).join("root");
            std::fs::create_dir_all(&root).unwrap();
            std::fs::write(root.join("file"), "text").unwrap();
            let contents = Contents { name: "localhost/test:1", root: &root, config: json!({"Entrypoint": ["/file"]}) };
            let image = write(&contents, &directory.join(build)).await.unwrap();
            assert!(image.archive.exists());
            digests.push(image.digest);
        }
        assert_eq!(digests[0], digests[1]);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
