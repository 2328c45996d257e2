//! Models that fail.

use e2e::model_server::Rule;
use e2e::suite::{Shared, TestNamespace, keyless_provider, on_shared};

#[tokio::test]
async fn without_credit_at_the_first_provider_the_fallback_answers() {
    on_shared(Shared::Plain, "no-credit", async |namespace: TestNamespace| {
        let backup = namespace.named("backup");
        namespace.apply(&keyless_provider(&backup, &namespace.base_url("backup"))).await;
        let broke = Rule::error(402).path_prefix(namespace.prefix("main"));
        let answers = Rule::text("the backup answers").path_prefix(namespace.prefix("backup"));
        namespace.script(&[broke, answers]).await;
        let (support, fallbacks) =
            (namespace.named("support"), format!("fallbacks: [{{provider: {backup}, model: large}}]"));
        namespace.apply(&namespace.joining("support").await.replace("fallbacks: []", &fallbacks)).await;
        namespace.ready(&support).await;

        assert_eq!(namespace.ask(&support, "s", "who answers?").await, "the backup answers");
        let seen = namespace.seen().await;
        let first = seen.first().expect("a model was asked");
        let last = seen.last().expect("a model was asked");
        assert_eq!((first.status, first.model.as_str()), (402, "small"), "{}", first.path);
        assert_eq!((last.status, last.model.as_str()), (200, "large"), "{}", last.path);
    })
    .await;
}
