//! A run as the gateway remembers it → a run of the status, with its price. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::cron_job;
use crate::api::runs::RunStatus;
use crate::declarations::validate::GatewayScope;
use crate::kubernetes::conditions::{reason, whole_seconds};
use crate::openclaw::cron::run::Run;
use crate::openclaw::names::provider_of;

/// The run as the status tells it; `None`: the gateway does not say when it began.
#[must_use]
pub fn run(run: &Run, scope: &GatewayScope) -> Option<cron_job::Run> {
    let status = run.result();
    Some(cron_job::Run {
        time: Time(whole_seconds(run.started_at()?)),
        status,
        reason: reason_of(status, run).map(str::to_owned),
        error: run.error_message(),
        duration: run.duration().map(|duration| format!("{:.1}s", duration.as_secs_f64())),
        cost_usd: cost(run, scope),
    })
}

fn reason_of(status: RunStatus, run: &Run) -> Option<&'static str> {
    match status {
        RunStatus::Succeeded => None,
        RunStatus::NotDelivered => Some(reason::NOT_DELIVERED),
        RunStatus::Skipped => Some(reason::SKIPPED),
        RunStatus::Failed => Some(match run.error_reason.as_deref() {
            Some("billing") => reason::CREDIT_EXHAUSTED,
            Some("auth" | "auth_permanent") => reason::UNAUTHORIZED,
            Some("rate_limit") => reason::RATE_LIMITED,
            Some("timeout") => reason::TIMED_OUT,
            Some("model_not_found") => reason::MODEL_NOT_FOUND,
            Some("overloaded" | "server_error") => reason::SERVER_ERROR,
            _ => reason::RUN_FAILED,
        }),
    }
}

/// What it cost, by the prices of the model that answered.
fn cost(run: &Run, scope: &GatewayScope) -> Option<String> {
    let (usage, model) = (run.usage?, run.model.as_ref()?);
    let provider = scope.providers.get(provider_of(run.provider.as_ref()?)?)?;
    let prices = provider.spec.models.iter().find(|offered| offered.id == *model)?.cost.as_ref()?;
    let price = |text: &str| text.parse::<f64>().ok();
    // Tokens of one run are far below what a f64 holds exactly.
    #[allow(clippy::cast_precision_loss)]
    let dollars = (usage.input as f64 * price(&prices.input)? + usage.output as f64 * price(&prices.output)?) / 1e6;
    let text = format!("{dollars:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    Some(text.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::declarations::fixtures::scope;

    fn told(entry: Value) -> cron_job::Run {
        let mut run: Run = serde_json::from_value(entry).unwrap();
        run.job = "1".into();
        super::run(&run, &scope()).unwrap()
    }

    #[test]
    fn a_run_costs_what_the_provider_says() {
        let run = told(json!({"runAtMs": 1_500, "durationMs": 7_181, "status": "ok", "completionStatus": "succeeded",
            "model": "small", "provider": "p-openai", "usage": {"input_tokens": 6270, "output_tokens": 15}}));
        assert_eq!(run.cost_usd.as_deref(), Some("0.0063"));
        assert_eq!((run.status, run.reason, run.error), (RunStatus::Succeeded, None, None));
        assert_eq!((run.duration.as_deref(), run.time.0.to_string().as_str()), (Some("7.2s"), "1970-01-01T00:00:01Z"));
    }

    #[test]
    fn a_model_without_prices_costs_nothing_that_is_known() {
        let run = told(json!({"runAtMs": 1, "status": "ok", "model": "large", "provider": "p-openai",
            "usage": {"input_tokens": 1, "output_tokens": 1}}));
        assert_eq!(run.cost_usd, None);
    }

    #[test]
    fn a_failure_is_told_in_one_word_and_in_the_gateways() {
        let run = told(json!({"runAtMs": 1, "status": "error", "errorReason": "billing", "error": "no\ncredit"}));
        assert_eq!((run.status, run.reason.as_deref()), (RunStatus::Failed, Some(reason::CREDIT_EXHAUSTED)));
        assert_eq!(run.error.as_deref(), Some("no credit"));
    }

    #[test]
    fn an_answer_that_was_not_delivered_is_no_success() {
        let run =
            told(json!({"runAtMs": 1, "status": "ok", "completionStatus": "failed", "deliveryError": "no such chat"}));
        assert_eq!((run.status, run.reason.as_deref()), (RunStatus::NotDelivered, Some(reason::NOT_DELIVERED)));
        assert_eq!(run.error.as_deref(), Some("no such chat"));
    }
}
