//! How soon an Agent's sandbox is there, and what it costs that commands and files go through it. Touches the network.
//!
//! The same calls are made in the same gateway, whose way into the sandbox is exchanged. The stand-in runs what it is given in the
//! gateway's own Pod, so it is what OpenClaw itself takes. A call is measured at the model: from the request that it answers with the
//! call to the one that brings the result. The rest of a turn takes seconds, whatever the way, and would hide it.

use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::creation::{QUIET, Seen, sightings, wait};
use super::error::Error;
use super::live::{AGENT, configuration, is_taken_up, until};
use super::sample::Sample;
use super::stage::PROVIDER;
use super::table::{Row, Unit};
use crate::model_server::{Filter, Recorded};
use crate::suite::{Admin, TestNamespace, in_sandbox, joined_agent, sandbox};

const SANDBOX: &str = "shell";
/// A Sandbox whose Pods no node takes, so that none starts and takes the machine from the next round.
const NOWHERE: &str = "nowhere";

/// Goal of what the operator takes until the Pod is created, in milliseconds.
const CREATION_GOAL: f64 = 100.0;
/// Goal of a call, in times of the stand-in.
const CALL_GOAL: f64 = 1.2;

/// From an Agent's creation to its sandbox's Pod; the gateway that it joins runs.
pub async fn measure_creation(namespace: &TestNamespace, rounds: usize) -> Result<Vec<Row>, Error> {
    let nowhere = "  podTemplate:\n    nodeSelector:\n      benchmark: no-node-has-this-label\n";
    namespace.apply(&format!("{}{nowhere}", sandbox(NOWHERE, "none"))).await;
    let mut seen = sightings::<Pod>(namespace, Seen::Pod).boxed();
    let mut taken = Sample::default();
    // The first is a warm-up.
    for round in 0..=rounds {
        let name = format!("joined-{round}");
        namespace.apply(&in_sandbox(NOWHERE, &joined_agent(&name, AGENT, &format!("{PROVIDER}/small")))).await;
        let started = Instant::now();
        let found = wait(&mut seen, &name, started, &[Seen::Pod]).await?;
        if round > 0 {
            taken.add(found[&Seen::Pod]);
        }
        sleep(QUIET).await;
    }
    let row = |percent| {
        let measure = format!("Agent created → sandbox Pod created, p{percent}");
        Row::new(measure, Unit::Milliseconds, taken.percentile(percent))
    };
    Ok(vec![row(50).goal(CREATION_GOAL), row(95)])
}

/// A way from the gateway into the sandbox: what OpenClaw starts in place of ssh.
struct Way {
    name: &'static str,
    /// Absent: as Creel renders it. Else a script, written into the gateway's Pod.
    script: Option<&'static str>,
    /// Absent: as Creel renders it.
    root: Option<&'static str>,
}

const WAYS: [Way; 4] = [
    Way { name: "creel-shell", script: None, root: None },
    Way {
        name: "stand-in",
        script: Some("for last; do :; done\nexec sh -c \"$last\""),
        root: Some("/tmp/benchmark-workspaces"),
    },
    Way { name: "OpenSSH", script: Some("exec ssh \"$@\""), root: None },
    Way {
        name: "OpenSSH multiplexed",
        script: Some("exec ssh -o ControlMaster=auto -o ControlPath=/tmp/benchmark-%C -o ControlPersist=60 \"$@\""),
        root: None,
    },
];

/// A call of a tool, and what it is named in the table.
fn calls() -> [(&'static str, &'static str, Value); 3] {
    [
        ("exec", "exec", json!({"command": "echo done", "yieldMs": 60_000})),
        ("write", "write", json!({"path": "benchmark.txt", "content": "some words\n"})),
        ("read", "read", json!({"path": "benchmark.txt"})),
    ]
}

/// Each call by each way, so many times.
pub async fn measure_calls(namespace: &TestNamespace, times: usize) -> Result<Vec<Row>, Error> {
    namespace.apply(&sandbox(SANDBOX, "rw")).await;
    namespace.merge("Agent", AGENT, &json!({"spec": {"sandbox": {"ref": {"name": SANDBOX}}}})).await;
    namespace.sandbox_ready(AGENT).await;
    let admin = Admin::of(namespace, AGENT).await?;
    let mut taken: Vec<Vec<Sample>> = Vec::new();
    for way in &WAYS {
        lead(namespace, &admin, way).await?;
        let mut samples = Vec::new();
        for (_, tool, arguments) in calls() {
            samples.push(turns(namespace, tool, &arguments, times).await?);
        }
        taken.push(samples);
    }
    Ok(rows(&taken))
}

/// `taken` holds a list for each way, with a sample for each call.
fn rows(taken: &[Vec<Sample>]) -> Vec<Row> {
    let median = |way: usize, call: usize| taken.get(way)?.get(call)?.percentile(50);
    let mut rows = Vec::new();
    for (call, (name, ..)) in calls().iter().enumerate() {
        for (way, Way { name: by, .. }) in WAYS.iter().enumerate().filter(|(way, _)| *way != STAND_IN) {
            let stand_in = median(STAND_IN, call);
            let row = Row::new(format!("{name} by {by}, p50"), Unit::Milliseconds, median(way, call));
            let goal = stand_in.filter(|_| way == OURS).map(|stand_in| stand_in * CALL_GOAL);
            let row = row.beside(stand_in);
            rows.push(match goal {
                Some(goal) => row.goal(goal),
                None => row,
            });
        }
    }
    rows
}

const OURS: usize = 0;
const STAND_IN: usize = 1;

/// Puts the way into the gateway's configuration and waits until the gateway runs with it.
async fn lead(namespace: &TestNamespace, admin: &Admin, way: &Way) -> Result<(), Error> {
    let Some(script) = way.script else { return Ok(()) };
    let command = format!("/tmp/benchmark-{}", way.name.replace(' ', "-"));
    let gateway = namespace.gateway(AGENT).await;
    let write = format!("cat > {command} <<'END'\n#!/bin/sh\n{script}\nEND\nchmod +x {command}");
    namespace.in_container(&gateway.name, "gateway", &write).await;
    let mut ssh = json!({"command": command});
    if let Some(root) = way.root {
        ssh["workspaceRoot"] = json!(root);
    }
    let wanted = json!({"agents": {"entries": {AGENT: {"sandbox": {"ssh": ssh}}}}});
    namespace.annotate("Agent", AGENT, "creel.dev/test-config", Some(&wanted.to_string())).await;
    let runs = until("the gateway does not take another way into the sandbox", Instant::now(), async || {
        let payload = configuration(admin).await;
        let ssh = &payload["parsed"]["agents"]["entries"][AGENT]["sandbox"]["ssh"];
        Ok(ssh["command"] == command.as_str() && is_taken_up(&payload))
    });
    runs.await.map(drop)
}

/// So many turns with one call of a tool each, after one that is not counted.
async fn turns(namespace: &TestNamespace, tool: &str, arguments: &Value, count: usize) -> Result<Sample, Error> {
    let mut sample = Sample::default();
    for turn in 0..=count {
        let before = namespace.models.last_sequence().await?;
        let said = namespace.try_tool(AGENT, AGENT, tool, arguments.clone()).await;
        let said = said.map_err(|seen| Error::Missing(format!("the answer to a call of {tool} ({seen})")))?;
        if said.contains("\"status\": \"error\"") || said.contains("Command exited with code") {
            return Err(Error::Missing(format!("the result of {tool} ({said})")));
        }
        let filter = Filter::default().path_prefix(namespace.prefix(PROVIDER)).after(before);
        let duration = between(&namespace.models.requests(&filter).await?);
        let duration =
            duration.ok_or_else(|| Error::Missing(format!("the model's request with the result of {tool}")))?;
        if turn > 0 {
            sample.add(duration);
        }
    }
    Ok(sample)
}

/// From the turn's first request, answered with the call at once, to the second.
fn between(asked: &[Recorded]) -> Option<Duration> {
    let mut times = asked.iter().filter(|request| !request.model.is_empty()).map(|request| request.time_ms);
    let (called, returned) = (times.next()?, times.next()?);
    Some(Duration::from_millis(returned.saturating_sub(called)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_lasts_from_the_first_question_of_its_turn_to_the_second() {
        let asked = |model: &str, time_ms| Recorded { model: model.to_owned(), time_ms, ..Recorded::default() };
        let listed = asked("", 5);
        let turn = [listed, asked("small", 10), asked("small", 610), asked("small", 900)];
        assert_eq!(between(&turn), Some(Duration::from_millis(600)));
        assert_eq!(between(&turn[..2]), None);
    }

    #[test]
    fn each_way_stands_beside_the_stand_in_and_only_ours_has_a_goal() {
        let taken = [100, 90, 300, 95].map(|milliseconds| {
            let mut sample = Sample::default();
            sample.add(Duration::from_millis(milliseconds));
            vec![sample.clone(), sample.clone(), sample]
        });
        let rows = rows(&taken);
        assert_eq!(rows.len(), 9);
        assert!(rows.iter().all(|row| row.stand_in == Some(90.0)));
        let goals: Vec<_> = rows.iter().map(|row| row.goal.is_some()).collect();
        assert_eq!(goals[..3], [true, false, false]);
    }
}
