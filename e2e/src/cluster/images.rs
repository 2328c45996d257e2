//! The node's image store: brings archives into it, and frees it of what an earlier run left. Talks to containerd.

use tokio::process::Command;

use super::error::Error;
use super::layout::Layout;
use crate::command::run;
use crate::images::Image;

/// The namespace in which the kubelet's containers and images are.
pub const CONTAINERD_NAMESPACE: &str = "k8s.io";

/// Whether containerd answers.
pub async fn answers(layout: &Layout) -> bool {
    run(ctr(layout).args(["--connect-timeout", "1s", "version"])).await.is_ok()
}

/// Removes the records of containers of an earlier run, and their file systems; images stay. True when there were some:
/// the kubelet's part of containerd has read them at its start and would go on to show them.
pub async fn forget_containers(layout: &Layout) -> Result<bool, Error> {
    let listed = run(ctr(layout).args(["containers", "list", "--quiet"])).await?;
    let containers: Vec<&str> = listed.split_whitespace().collect();
    if containers.is_empty() {
        return Ok(false);
    }
    run(ctr(layout).args(["containers", "delete"]).args(&containers)).await?;
    Ok(true)
}

/// Imports `image` unless the store has just that one under its name, whole. True when it was imported.
pub async fn load(layout: &Layout, image: &Image) -> Result<bool, Error> {
    let checked = run(ctr(layout).args(["images", "check", &format!("name=={}", image.name)])).await?;
    if has(&checked, image) {
        return Ok(false);
    }
    run(ctr(layout).args(["images", "import"]).arg(&image.archive)).await?;
    Ok(true)
}

/// Gives an image in the store a second name.
pub async fn tag(layout: &Layout, image: &str, name: &str) -> Result<(), Error> {
    run(ctr(layout).args(["images", "tag", "--force", image, name])).await?;
    Ok(())
}

/// A client of the cluster's containerd.
fn ctr(layout: &Layout) -> Command {
    let mut command = Command::new("/usr/bin/ctr");
    command.arg("--address").arg(layout.containerd_socket()).args(["--namespace", CONTAINERD_NAMESPACE]);
    command
}

/// Whether `ctr images check` (a table: name, type, digest, status, …, unpacked) shows the image with its digest, and that
/// no interrupted import left it without content or file system.
fn has(checked: &str, image: &Image) -> bool {
    checked.lines().any(|line| {
        let mut columns = line.split_whitespace();
        columns.next() == Some(&image.name)
            && columns.nth(1) == Some(&image.digest)
            && columns.next() == Some("complete")
            && columns.next_back() == Some("true")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn another_digest_is_another_image_and_half_an_image_is_none() {
        let image = |digest: &str| Image { name: "a/b:1".into(), archive: "/x".into(), digest: digest.into() };
        let checked = |end: &str| {
            format!(
                "REF   TYPE  DIGEST STATUS SIZE UNPACKED\na/b:1 application/vnd.oci.image.manifest.v1+json sha256:aa {end}\n"
            )
        };
        let whole = checked("complete (2/2) 14.3 MiB/14.3 MiB true");
        assert!(has(&whole, &image("sha256:aa")));
        assert!(!has(&whole, &image("sha256:bb")));
        assert!(!has(&checked("complete (2/2) 14.3 MiB/14.3 MiB false"), &image("sha256:aa")));
        assert!(!has(&checked("incomplete (1/2) 1.0 KiB/14.3 MiB false"), &image("sha256:aa")));
    }
}
