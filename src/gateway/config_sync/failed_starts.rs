//! Whether the gateway can't start, and why, in its own words. Pure.
//!
//! OpenClaw exits with a code of its own over most configurations that it rejects. Some it holds valid and fails over at its start like
//! over anything else.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};

use crate::gateway::build::pod_spec::GATEWAY_CONTAINER;
use crate::kubernetes::pod_status::container;
use crate::openclaw::exit::{self, Exit};

/// A gateway that ends within this time has not started: its diagnostics alone take most of a minute.
const START: Duration = Duration::from_mins(5);
/// Exit codes from here on stand for signals: out of memory, a node that shuts down.
const SIGNALS: i32 = 128;

/// How the gateway of this Pod ended, if that was its second failed start in a row or a later one, by nobody's doing but its own.
#[must_use]
pub fn read(pod: &Pod) -> Option<String> {
    let status = container(pod, GATEWAY_CONTAINER)?;
    let state = status.state.as_ref()?;
    if state.running.is_some() || status.restart_count < 1 {
        return None;
    }
    let before = status.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let ended = state.terminated.as_ref().or(before)?;
    if !is_failed_start(ended) {
        return None;
    }
    let code = ended.exit_code;
    let Exit::Other(words) = exit::read(code, ended.message.as_deref().unwrap_or_default()) else { return None };
    let words = words.map_or_else(|| " without a message".to_owned(), |words| format!(": {words}"));
    Some(format!("the gateway does not start with it and exits with code {code}{words}"))
}

fn is_failed_start(ended: &ContainerStateTerminated) -> bool {
    let (Some(started), Some(finished)) = (&ended.started_at, &ended.finished_at) else { return false };
    let ran = Duration::try_from(finished.0.duration_since(started.0)).unwrap_or_default();
    (1..SIGNALS).contains(&ended.exit_code) && ran < START
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ended(code: i32, minutes: u32, message: &str) -> Value {
        json!({"terminated": {
            "exitCode": code, "message": message,
            "startedAt": "2026-01-01T00:00:00Z", "finishedAt": format!("2026-01-01T00:{minutes:02}:44Z"),
        }})
    }

    /// What is read of a gateway that was restarted this often, is in this state, and ended like this before.
    fn read_of(restarts: i32, state: &Value, last: &Value) -> Option<String> {
        let gateway = json!({"name": "gateway", "image": "", "imageID": "", "ready": false, "restartCount": restarts,
                             "state": state, "lastState": last});
        let pod = json!({"metadata": {"name": "a"}, "status": {"containerStatuses": [gateway]}});
        read(&serde_json::from_value(pod).unwrap())
    }

    fn waits() -> Value {
        json!({"waiting": {"reason": "CrashLoopBackOff"}})
    }

    #[test]
    fn the_second_failed_start_is_told_in_the_gateways_words() {
        let message = "Gateway failed to start: Error: hooks.allowedSessionKeyPrefixes is required";
        let said = format!("the gateway does not start with it and exits with code 1: {message}");
        assert_eq!(read_of(1, &waits(), &ended(1, 0, message)), Some(said.clone()));
        assert_eq!(read_of(1, &ended(1, 0, message), &ended(2, 0, "")), Some(said));
    }

    #[test]
    fn one_failed_start_or_one_that_goes_on_is_not_enough() {
        assert_eq!(read_of(0, &ended(1, 0, "no"), &json!({})), None);
        assert_eq!(read_of(0, &waits(), &ended(1, 0, "no")), None);
        assert_eq!(read_of(1, &json!({"running": {}}), &ended(1, 0, "no")), None);
    }

    #[test]
    fn signals_long_runs_and_causes_that_are_known_are_no_failed_start() {
        for other in [
            ended(137, 0, ""),
            ended(143, 0, ""),
            ended(0, 0, ""),
            ended(1, 6, "no"),
            ended(78, 0, include_str!("../../openclaw/fixtures/exit_refused_at_start.log")),
            ended(1, 0, include_str!("../../openclaw/fixtures/exit_no_token.log")),
        ] {
            assert_eq!(read_of(3, &waits(), &other), None, "{other}");
        }
    }
}
