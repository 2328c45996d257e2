//! What the API server refuses of the files in an Agent's workspace, and in which words. Only dry runs: nothing is made.

use serde_json::{Value, json};

use super::stage::{Server, agent, merged};

async fn dry_run(server: &Server, files: Value) -> Result<(), String> {
    server.dry_run(&merged(agent("a"), json!({"spec": {"workspace": {"files": files}}}))).await
}

async fn refused(server: &Server, files: Value, words: &str) {
    let said = dry_run(server, files).await.expect_err(words);
    assert!(said.contains(words), "it was refused, but in other words: {said}");
}

#[tokio::test]
async fn a_path_stays_in_the_workspace() {
    let server = Server::new().await;
    let at = |path: &str| json!([{"path": path, "content": "x"}]);
    for path in ["/etc/passwd", "..", "../x", "a/../b", "a//b", "./a", "a/", "a/.", "."] {
        refused(&server, at(path), "the path must be relative and stay in the workspace").await;
    }
    for path in ["", "a\nb", "a\\b", &"a".repeat(241)] {
        refused(&server, at(path), "spec.workspace.files[0].path").await;
    }
    for path in ["SOUL.md.kept", "notes/.a.creel-new"] {
        refused(&server, at(path), "are used by Creel").await;
    }
    for path in ["SOUL.md", "notes/house.md", ".hidden", "a..b", "Über uns.md", &"a".repeat(240)] {
        dry_run(&server, at(path)).await.expect(path);
    }
}

#[tokio::test]
async fn a_file_has_one_source_of_at_most_64_kib_and_a_workspace_32_files_with_paths_of_their_own() {
    let server = Server::new().await;
    let reference = json!({"name": "persona", "key": "soul"});
    let words = "set exactly one of content and configMapKeyRef";
    refused(&server, json!([{"path": "a"}]), words).await;
    refused(&server, json!([{"path": "a", "content": "x", "configMapKeyRef": reference}]), words).await;
    let of = |content: String| json!([{"path": "a", "content": content}]);
    refused(&server, of("a".repeat(65537)), "spec.workspace.files[0].content").await;
    refused(&server, of("ä".repeat(32769)), "content must be at most 65536 bytes").await;
    dry_run(&server, of("ä".repeat(32768))).await.expect("64 KiB");
    dry_run(&server, json!([{"path": "a", "content": ""}])).await.expect("an empty file");
    dry_run(&server, json!([{"path": "a", "configMapKeyRef": reference, "policy": "Managed"}])).await.expect("Managed");
    refused(&server, json!([{"path": "a", "content": "x", "policy": "Always"}]), "Unsupported value").await;
    let twice = json!({"path": "a", "content": "x"});
    refused(&server, json!([twice, twice]), "Duplicate value").await;
    let many = |count: usize| -> Value {
        (0..count).map(|number| json!({"path": number.to_string(), "content": "x"})).collect()
    };
    refused(&server, many(33), "must have at most 32 items").await;
    dry_run(&server, many(32)).await.expect("32 files");
}

#[tokio::test]
async fn when_to_ask_a_delegate_is_one_line_of_at_most_300_characters() {
    let server = Server::new().await;
    let delegate = |when: &str| {
        let delegates = json!([{"agent": "writer", "when": when}]);
        merged(agent("a"), json!({"spec": {"delegates": delegates}}))
    };
    for when in ["", "a\nb", "<!-- creel:end -->", &"a".repeat(301)] {
        let said = server.dry_run(&delegate(when)).await.expect_err(when);
        assert!(said.contains("spec.delegates[0].when"), "{said}");
    }
    server.dry_run(&delegate("marketing, campaigns & growth")).await.expect("a line");
}
