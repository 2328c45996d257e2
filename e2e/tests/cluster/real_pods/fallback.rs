//! Models that fail.

use e2e::model_server::Rule;
use e2e::suite::{TestNamespace, agent_with, in_namespace, secret_value};

#[tokio::test]
async fn without_credit_at_the_first_provider_the_fallback_answers() {
    in_namespace("no-credit", async |namespace: TestNamespace| {
        let (main, backup) = (secret_value("main"), secret_value("backup"));
        namespace.serve("main", &main).await;
        namespace.serve("backup", &backup).await;
        let broke = Rule::error(402).path_prefix(namespace.prefix("main"));
        let answers = Rule::text("the backup answers").path_prefix(namespace.prefix("backup"));
        namespace.script(&[broke, answers]).await;
        namespace.apply(&agent_with("support", "main/small", &["backup/large"])).await;
        namespace.ready("support").await;

        assert_eq!(namespace.ask("support", "s", "who answers?").await, "the backup answers");
        let seen = namespace.seen().await;
        let first = seen.first().expect("a model was asked");
        let last = seen.last().expect("a model was asked");
        assert_eq!((first.status, first.model.as_str()), (402, "small"), "{}", first.path);
        assert_eq!((last.status, last.model.as_str()), (200, "large"), "{}", last.path);
        assert!(first.api_key == Some(main) && last.api_key == Some(backup), "each Provider gets its own key");
    })
    .await;
}
