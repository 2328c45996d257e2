//! What Creel relies on of a gateway, clause by clause. Each holds for the stand-in and for a real OpenClaw 2026.9.6 alike: the stand-in's
//! own tests run them in milliseconds, and the end-to-end tests against a gateway in a Pod. Touches the network: the gateway.
//!
//! | module          | clauses about                                                      |
//! |-----------------|--------------------------------------------------------------------|
//! | `access`        | the token, and what is no call                                     |
//! | `configuration` | `config.get` as the proof of what is in force                      |
//! | `declaration`   | `cron.add` as an idempotent declaration                            |
//! | `change`        | `cron.update` and `cron.remove`                                    |
//! | `listing`       | `cron.list`                                                        |
//! | `pairing`       | the handshake over the WebSocket                                   |
//! | `run`           | `cron.run` and `cron.runs`                                         |
//! | `failure`       | runs that fail, are cut off, or are not delivered                  |
//! | `limit`         | thirty writes a minute                                             |
//!
//! A gateway under test has the configuration of [`document`] and no jobs of keys that begin with `k8s:contract/`. Its clauses run one
//! after the other: some change the configuration or hold turns, and bring back what was.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a clause fails")]
#![allow(clippy::missing_panics_doc, reason = "as above: every clause panics when it does not hold")]

pub mod access;
pub mod change;
pub mod configuration;
pub mod declaration;
pub mod document;
pub mod failure;
pub mod limit;
pub mod listing;
pub mod pairing;
pub mod run;
pub mod socket;
pub mod subject;

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

pub use document::{Surroundings, document};
pub use subject::{Host, Subject};

/// Calls a macro with all clauses, as `module::clause`.
#[macro_export]
macro_rules! with_clauses {
    ($callback:ident) => {
        $callback! {
            access::a_wrong_token_and_none_are_answered_401
            access::a_forwarded_call_is_answered_403
            access::what_is_no_call_is_refused_with_a_reason
            access::the_probe_needs_no_token
            configuration::it_is_shown_with_its_secrets_hidden
            configuration::a_new_one_is_seen_and_applied
            configuration::an_edit_of_a_hidden_leaf_shows_only_in_the_hashes
            configuration::other_bytes_of_the_same_meaning_are_another_file_of_the_same_revision
            configuration::a_refused_one_is_told_with_its_issues_and_the_one_before_stays_in_force
            configuration::a_file_that_is_no_json_is_refused_too
            declaration::a_new_key_makes_a_job_with_what_the_gateway_adds
            declaration::the_same_again_changes_nothing
            declaration::an_edit_keeps_the_id_and_replaces_schedule_payload_and_delivery
            declaration::an_edit_reaches_neither_name_nor_description
            declaration::an_edit_reaches_the_display_name
            declaration::another_session_is_refused_without_a_reason
            declaration::for_another_agent_it_makes_a_second_job
            declaration::for_an_agent_that_is_not_there_it_is_refused_without_a_reason
            declaration::without_enabled_a_job_that_was_stopped_stays_stopped
            declaration::enabled_said_again_starts_a_stopped_job_and_its_counters_over
            declaration::a_schedule_that_cannot_be_read_is_refused_with_a_reason
            declaration::an_unknown_field_is_refused_with_a_reason
            declaration::the_gateways_own_keys_are_refused
            declaration::a_message_is_trimmed_and_a_time_is_written_in_utc
            change::an_update_changes_what_it_names_and_merges_the_payload
            change::an_update_reaches_name_description_and_session
            change::an_update_of_nothing_counts_as_one
            change::a_job_is_given_to_another_agent_but_not_to_one_that_is_not_there
            change::a_job_that_is_disabled_has_no_next_run
            change::a_job_that_is_gone_is_told_by_its_code
            change::a_job_of_the_gateway_itself_is_not_changed
            listing::it_has_pages_and_an_order
            listing::disabled_jobs_are_listed_on_demand
            listing::it_tells_whose_a_job_is_and_lists_the_gateways_own
            pairing::a_device_from_elsewhere_is_let_in_once_it_is_approved
            pairing::a_device_that_waits_keeps_its_request_until_it_is_rejected
            pairing::a_device_that_is_removed_has_to_ask_again
            pairing::whoever_has_no_device_may_do_nothing
            pairing::a_wrong_token_is_refused_with_a_code
            pairing::what_is_not_signed_as_it_should_is_refused
            pairing::the_first_request_must_be_connect
            pairing::a_lesser_scope_runs_nothing
            run::over_http_it_is_accepted_and_fails_later
            run::over_the_socket_it_is_told_by_the_id_that_was_promised
            run::a_job_runs_once_at_a_time
            run::a_job_that_is_disabled_runs_and_stays_disabled
            run::only_a_job_that_is_due_runs_when_that_is_asked
            run::eight_run_at_once_and_the_ninth_waits
            run::a_job_of_one_time_is_disabled_after_it
            run::the_runs_of_a_job_that_is_gone_are_still_told
            run::the_newest_run_comes_first
            failure::it_is_counted_and_told_with_a_reason
            failure::a_run_that_was_asked_for_never_stops_a_job
            failure::the_tenth_in_a_row_of_a_schedule_stops_the_job
            failure::a_scheduled_run_that_failed_puts_off_the_next
            failure::an_answer_that_is_not_delivered_counts_as_ok
            failure::to_disable_a_job_cuts_off_its_run
            failure::to_remove_a_job_cuts_off_its_run
            failure::a_job_of_an_agent_that_left_fails_with_its_name
            failure::a_killed_gateway_remembers_what_ran_without_its_id_and_forgets_what_waited
            limit::after_thirty_calls_of_a_method_it_says_when_it_takes_more
        }
    };
}

/// The clauses that do not hold, with what was seen.
pub async fn broken<H: Host>(subject: &Subject<H>) -> Vec<(&'static str, String)> {
    let mut broken = Vec::new();
    macro_rules! try_all {
        ($($module:ident :: $clause:ident)*) => {
            $(
                subject.begin(stringify!($clause)).await;
                let clause = AssertUnwindSafe($module::$clause(subject)).catch_unwind();
                if let Err(panic) = clause.await {
                    broken.push((concat!(stringify!($module), "::", stringify!($clause)), words(panic.as_ref())));
                }
            )*
        };
    }
    with_clauses!(try_all);
    broken
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}
