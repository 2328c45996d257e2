//! What the API server refuses of a Sandbox, and in which words. Nearly all of it is a dry run.

use e2e::suite::in_namespace;
use serde_json::{Value, json};

use super::stage::{Server, agent, edit, make, merged, sandbox};

/// The Sandbox with these fields is refused with these words.
async fn refused(server: &Server, spec: Value, words: &str) {
    let object = merged(sandbox("s"), json!({"spec": spec}));
    let said = server.dry_run(&object).await.expect_err(&format!("{object} was accepted"));
    assert!(said.contains(words), "{object} was refused, but in other words: {said}");
}

async fn accepted(server: &Server, spec: Value) {
    let object = merged(sandbox("s"), json!({"spec": spec}));
    server.dry_run(&object).await.unwrap_or_else(|said| panic!("{object} was refused: {said}"));
}

#[tokio::test]
async fn access_to_the_workspace_is_none_ro_or_rw_and_no_other_word() {
    let server = Server::new().await;
    let override_of = |access: &str| {
        merged(agent("a"), json!({"spec": {"sandbox": {"ref": {"name": "s"}, "workspaceAccess": access}}}))
    };
    for access in ["write", "readwrite", "read", "RW", "", "true"] {
        refused(&server, json!({"workspaceAccess": access}), "supported values: \"none\", \"ro\", \"rw\"").await;
        let said = server.dry_run(&override_of(access)).await.expect_err(access);
        assert!(said.contains("supported values: \"none\", \"ro\", \"rw\""), "{said}");
    }
    for access in ["none", "ro", "rw"] {
        accepted(&server, json!({"workspaceAccess": access})).await;
        server.dry_run(&override_of(access)).await.expect(access);
    }
}

#[tokio::test]
async fn the_image_of_a_sandbox_is_named_by_digest_or_by_a_tag_that_is_not_latest() {
    let server = Server::new().await;
    let words = "the image needs a digest (…@sha256:…) or a tag other than latest";
    for image in ["python:latest", "python", "registry.example:5000/python", "python@sha256:abc", "pyt hon:1"] {
        refused(&server, json!({"image": image}), words).await;
    }
    let digest = format!("docker.io/library/python@sha256:{}", "0".repeat(64));
    for image in ["docker.io/library/python:3.13-slim-bookworm", "registry.example:5000/python:1", &digest] {
        accepted(&server, json!({"image": image})).await;
    }
    let mut without = sandbox("s");
    without["spec"].as_object_mut().expect("a spec").remove("image");
    let said = server.dry_run(&without).await.expect_err("a Sandbox without an image was accepted");
    assert!(said.contains("spec.image"), "{said}");
}

#[tokio::test]
async fn rotation_and_egress_are_words_that_exist() {
    let server = Server::new().await;
    refused(&server, json!({"rotation": "Never"}), "supported values: \"Recreate\", \"WhenIdle\", \"OnDelete\"").await;
    let words = "supported values: \"None\", \"Internet\", \"All\"";
    refused(&server, json!({"network": {"egress": "Some"}}), words).await;
    for rotation in ["Recreate", "WhenIdle", "OnDelete"] {
        accepted(&server, json!({"rotation": rotation})).await;
    }
}

#[tokio::test]
async fn an_exception_names_a_range_or_pods_and_ports_that_exist() {
    let server = Server::new().await;
    let allow = |entry: Value| json!({"network": {"allow": [entry]}});
    let pods = json!({"podSelector": {"matchLabels": {"app": "git"}}});
    let words = "set either cidr, or podSelector and/or namespaceSelector";
    for entry in [json!({}), json!({"ports": [443]}), merged(pods.clone(), json!({"cidr": "10.0.0.0/8"}))] {
        refused(&server, allow(entry), words).await;
    }
    for cidr in ["10.0.0.1", "10.0.0.0/33", "everything"] {
        refused(
            &server,
            allow(json!({"cidr": cidr})),
            "cidr must be a range of addresses, for example 10.0.0.0/24 or fd00::/8",
        )
        .await;
    }
    for port in [0, 65_536, -1] {
        let entry = json!({"cidr": "10.0.0.0/8", "ports": [port]});
        refused(&server, allow(entry), "a port is a number from 1 to 65535").await;
    }
    for entry in [json!({"cidr": "10.0.0.0/24", "ports": [443]}), json!({"cidr": "fd00::/8"}), pods] {
        accepted(&server, allow(entry)).await;
    }
}

#[tokio::test]
async fn variables_and_names_follow_the_same_rules_as_those_of_a_gateway() {
    let server = Server::new().await;
    for name in ["OPENCLAW_X", "CREEL_X", "LD_PRELOAD", "HOME"] {
        refused(&server, json!({"env": [{"name": name, "value": "x"}]}), "this variable is reserved").await;
    }
    accepted(&server, json!({"env": [{"name": "GITEA_TOKEN", "value": "x"}]})).await;
    for name in ["a.b", "1a", "a-"] {
        let said = server.dry_run(&sandbox(name)).await.expect_err(name);
        assert!(said.contains("the name of a Sandbox must be a DNS label") || said.contains("RFC 1123"), "{said}");
    }
    let misspelt = json!({"workspaceAcess": "rw"});
    refused(&server, misspelt, "unknown field \"spec.workspaceAcess\"").await;
}

#[tokio::test]
async fn a_mount_has_a_directory_of_its_own_and_one_source() {
    let server = Server::new().await;
    let secret = json!({"secretRef": {"name": "login"}});
    let claim = json!({"persistentVolumeClaim": {"claimName": "nas"}});
    let files = |path: &str| json!({"files": [merged(secret.clone(), json!({"mountPath": path}))]});
    let volumes = |path: &str| json!({"volumes": [merged(claim.clone(), json!({"mountPath": path}))]});
    for path in ["data", "/data/", "/a//b", "/a/../b", "/a/./b", "/a b", "/a:b", "/$(HOME)"] {
        refused(&server, files(path), "mountPath must be an absolute path").await;
        refused(&server, volumes(path), "mountPath must be an absolute path").await;
    }
    for path in [
        "/proc",
        "/dev/shm",
        "/etc/ssl",
        "/opt/creel",
        "/opt",
        "/tmp/x",
        "/usr/bin",
        "/home",
        "/workspaces/a",
        "/var/run/x",
    ] {
        refused(&server, files(path), "mountPath would hide what the image or Creel needs").await;
        refused(&server, volumes(path), "mountPath would hide what the image or Creel needs").await;
    }
    refused(&server, files("/"), "spec.files[0].mountPath").await;
    for path in ["/data", "/home/agent/.claude", "/usr/local/share/tools", "/opt/tools", "/var/lib/x", "/tmpx"] {
        accepted(&server, files(path)).await;
        accepted(&server, volumes(path)).await;
    }
    let both = merged(secret.clone(), json!({"mountPath": "/a", "configMapRef": {"name": "x"}}));
    for entry in [json!({"mountPath": "/a"}), both] {
        refused(&server, json!({"files": [entry]}), "set exactly one of secretRef and configMapRef").await;
    }
    let both = merged(claim.clone(), json!({"mountPath": "/a", "nfs": {"server": "nas", "path": "/x"}}));
    for entry in [json!({"mountPath": "/a"}), both] {
        refused(&server, json!({"volumes": [entry]}), "set exactly one of persistentVolumeClaim and nfs").await;
    }
    accepted(
        &server,
        json!({"volumes": [{"mountPath": "/a", "nfs": {"server": "nas.example.com", "path": "/x"}, "readOnly": true}]}),
    )
    .await;
}

#[tokio::test]
async fn no_mount_hides_another_one() {
    let server = Server::new().await;
    let files = |paths: &[&str]| -> Value {
        paths.iter().map(|path| json!({"mountPath": path, "configMapRef": {"name": "x"}})).collect()
    };
    let volumes = |paths: &[&str]| -> Value {
        paths.iter().map(|path| json!({"mountPath": path, "persistentVolumeClaim": {"claimName": "x"}})).collect()
    };
    refused(&server, json!({"files": files(&["/a", "/a"])}), "Duplicate value").await;
    refused(&server, json!({"files": files(&["/a", "/a/b"])}), "no mountPath may lie in another one").await;
    refused(&server, json!({"volumes": volumes(&["/a/b", "/a"])}), "no mountPath may lie in another one").await;
    let words = "no mountPath in files may be that of an entry in volumes or lie in one, nor the other way round";
    for (file, volume) in [("/a", "/a"), ("/a/b", "/a"), ("/a", "/a/b")] {
        refused(&server, json!({"files": files(&[file]), "volumes": volumes(&[volume])}), words).await;
    }
    accepted(&server, json!({"files": files(&["/a", "/ab"]), "volumes": volumes(&["/a.b", "/abc"])})).await;
    let home = json!({"home": {"size": "1Gi"}});
    for own in [json!({"files": files(&["/home/agent"])}), json!({"volumes": volumes(&["/home/agent"])})] {
        accepted(&server, own.clone()).await;
        refused(&server, merged(own, home.clone()), "home is mounted at /home/agent").await;
    }
    accepted(
        &server,
        merged(home, json!({"files": files(&["/home/agent/.a"]), "volumes": volumes(&["/home/agent/b"])})),
    )
    .await;
}

#[tokio::test]
async fn a_home_grows_and_does_not_shrink() {
    in_namespace("home", async |namespace| {
        make(&namespace, &merged(sandbox("s"), json!({"spec": {"home": {"size": "2Gi", "storageClassName": "fast"}}})))
            .await;
        let change = async |home: Value| edit(&namespace, "Sandbox", "s", &json!({"spec": {"home": home}})).await;
        let said = change(json!({"size": "1Gi"})).await.expect_err("the home shrank");
        assert!(said.contains("a claim can grow but not shrink"), "{said}");
        let said = change(json!({"storageClassName": null})).await.expect_err("the class changed");
        assert!(said.contains("storageClassName is immutable"), "{said}");
        change(json!({"size": "3Gi"})).await.expect("a larger home");
        edit(&namespace, "Sandbox", "s", &json!({"spec": {"home": null}})).await.expect("no home");
    })
    .await;
}
