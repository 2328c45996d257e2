//! An image for sandboxes: a small Debian with what OpenClaw's shell and file tools call, and neither Node nor OpenClaw. Any image with
//! these programs does; this one is here because no registry is asked.

use serde_json::json;

use super::archive::About;
use super::debian::{DEBIAN, Debian};
use super::{Error, Image};
use crate::progress::Progress;

/// A name that no registry has: it is only ever found on the node.
pub const SANDBOX_IMAGE: &str = "localhost/creel-sandbox:bookworm";

/// Builds the sandbox image, or finds the one built before.
pub async fn sandbox(progress: &Progress) -> Result<Image, Error> {
    let sandbox = Debian {
        name: SANDBOX_IMAGE,
        entry: "sandbox-image",
        recipe: "2",
        // The essential packages hold a shell, coreutils, find and tar. `procps` is for those who look around.
        packages: "procps,python3",
        // A shell of an assistant has no use for it.
        left_out: &["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/lib/*/gconv/*"],
        // Debian's installation alone needs all of Perl.
        unused: "var/lib/apt/lists/* var/cache/* usr/share/perl*",
        progress: "sandbox image: Debian (once, some 1 minute)",
        about: About {
            title: "Sandbox",
            description: "A small Debian with Python, for the commands of OpenClaw assistants",
            version: DEBIAN,
            licenses: None,
            source: None,
        },
        config: json!({
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["bash"],
        }),
    };
    Box::pin(sandbox.build(progress)).await
}
