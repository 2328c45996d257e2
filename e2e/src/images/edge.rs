//! What stands between people and a gateway, for tests: Chromium with its driver, and nginx and Caddy as proxies, all from Debian.

use serde_json::json;

use super::archive::About;
use super::debian::{DEBIAN, Debian};
use super::{Error, Image};
use crate::progress::Progress;

/// A name that no registry has: it is only ever found on the node.
pub const EDGE_IMAGE: &str = "localhost/creel-edge:bookworm";

/// Builds the image, or finds the one built before.
pub async fn edge(progress: &Progress) -> Result<Image, Error> {
    let edge = Debian {
        name: EDGE_IMAGE,
        entry: "edge-image",
        recipe: "1",
        packages: "ca-certificates,caddy,chromium,chromium-driver,fonts-dejavu-core,nginx-light",
        left_out: &["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"],
        // And what draws on a graphics card.
        unused: "var/lib/apt/lists/* var/cache/* usr/share/icons usr/share/perl* usr/lib/*/perl usr/lib/*/dri usr/lib/*/libLLVM*",
        progress: "edge image: Chromium, nginx and Caddy (once, some 2 minutes)",
        about: About {
            title: "Edge",
            description: "A browser and reverse proxies, for tests of what people see of a gateway",
            version: DEBIAN,
            licenses: None,
            source: None,
        },
        config: json!({"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["bash"]}),
    };
    Box::pin(edge.build(progress)).await
}
