use std::sync::Arc;
use std::time::Duration;

use gateway_stand_in::{Reload, StandIn};

use super::*;
use crate::gateway::config_sync::state::Subject;
use crate::gateway::config_sync::tracker::ConfigTracker;
use crate::gateway::fixtures::{company, edit, plan};

/// A gateway and the operator that asks it.
struct Conversation {
    gateway: StandIn,
    admin: AdminClient,
    tracker: ConfigTracker,
    now: Instant,
}

impl Conversation {
    /// The gateway was started with this document.
    async fn about(document: &ConfigDocument) -> Self {
        Self {
            gateway: StandIn::start("token", document.text()).await,
            admin: AdminClient::on_loopback(),
            tracker: ConfigTracker::default(),
            now: Instant::now(),
        }
    }

    /// Whether the gateway runs this document, this long after the last question.
    async fn ask(&mut self, document: &ConfigDocument, after: Duration) -> ConfigState {
        self.now += after;
        let endpoint = Endpoint {
            address: self.gateway.address(),
            token: "token".into(),
            namespace: "assistants".into(),
            run: "pod/0".into(),
        };
        let subject = Subject { run: "pod/0".into(), document: document.hash().into() };
        let mut memory = self.tracker.recall("owner", subject, self.now);
        let state = ask(&self.admin, &endpoint, document, &mut memory, self.now).await;
        self.tracker.remember("owner", memory);
        state
    }
}

const AT_ONCE: Duration = Duration::ZERO;

fn document() -> Arc<ConfigDocument> {
    plan(&company()).config.unwrap()
}

/// The document after an edit.
fn edited() -> Arc<ConfigDocument> {
    let mut gathered = company();
    edit(&mut gathered, "concierge", |agent| agent.spec.model.primary.model = "gpt-4o".into());
    plan(&gathered).config.unwrap()
}

/// A document that no gateway accepts.
fn faulty() -> ConfigDocument {
    let mut value = document().value().clone();
    value["nonsense"] = serde_json::json!(true);
    ConfigDocument::new(value)
}

#[tokio::test]
async fn a_gateway_that_runs_the_document_has_applied_it_and_is_not_asked_again_soon() {
    let document = document();
    let mut conversation = Conversation::about(&document).await;
    assert_eq!(conversation.ask(&document, AT_ONCE).await, ConfigState::Applied);
    assert_eq!(conversation.ask(&document, Duration::from_mins(1)).await, ConfigState::Applied);
    assert_eq!(conversation.gateway.take_methods(), ["config.get"]);
}

#[tokio::test]
async fn an_edit_is_pending_until_the_gateway_runs_it() {
    let mut conversation = Conversation::about(&document()).await;
    conversation.gateway.set_reload(Reload::Unseen);
    conversation.gateway.configure(edited().text());
    assert_eq!(conversation.ask(&edited(), AT_ONCE).await, ConfigState::Pending);
    conversation.gateway.set_reload(Reload::Applied);
    assert_eq!(conversation.ask(&edited(), Duration::from_millis(250)).await, ConfigState::Applied);
}

#[tokio::test]
async fn a_gateway_that_never_takes_up_an_edit_stalls_after_three_minutes() {
    let mut conversation = Conversation::about(&document()).await;
    conversation.gateway.set_reload(Reload::Unseen);
    conversation.gateway.configure(edited().text());
    assert_eq!(conversation.ask(&edited(), AT_ONCE).await, ConfigState::Pending);
    assert_eq!(conversation.ask(&edited(), Duration::from_mins(3)).await, ConfigState::Stalled);
}

#[tokio::test]
async fn a_document_that_the_gateway_rejects_is_rejected_in_its_own_words() {
    let mut conversation = Conversation::about(&document()).await;
    assert_eq!(conversation.ask(&document(), AT_ONCE).await, ConfigState::Applied);
    conversation.gateway.configure(faulty().text());
    assert_eq!(conversation.ask(&faulty(), AT_ONCE).await, ConfigState::Pending, "it may concern another file");
    let state = conversation.ask(&faulty(), Duration::from_secs(5)).await;
    assert_eq!(state, ConfigState::Rejected("openclaw.json: Unrecognized key: \"nonsense\"".into()));
}

#[tokio::test]
async fn a_gateway_that_refuses_the_token_is_left_alone_for_a_while() {
    let document = document();
    let mut conversation = Conversation::about(&document).await;
    conversation.gateway.set_token("another");
    for after in [AT_ONCE, Duration::from_secs(1)] {
        let state = conversation.ask(&document, after).await;
        assert!(matches!(state, ConfigState::Unreachable(_)), "{state:?}");
    }
    conversation.gateway.set_token("token");
    assert!(matches!(conversation.ask(&document, Duration::from_secs(1)).await, ConfigState::Unreachable(_)));
    assert_eq!(conversation.ask(&document, Duration::from_secs(4)).await, ConfigState::Applied);
}

#[tokio::test]
async fn an_edit_that_the_gateway_reads_and_does_not_apply_is_not_applied_after_a_minute() {
    let mut conversation = Conversation::about(&document()).await;
    conversation.gateway.set_reload(Reload::Seen);
    conversation.gateway.configure(edited().text());
    assert_eq!(conversation.ask(&edited(), AT_ONCE).await, ConfigState::Pending);
    assert_eq!(conversation.ask(&edited(), Duration::from_secs(59)).await, ConfigState::Pending);
    assert_eq!(conversation.ask(&edited(), Duration::from_secs(1)).await, ConfigState::NotApplied);
}
