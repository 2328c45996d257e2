//! What to try next: the exact lines to paste. Pure.

use std::path::Path;

use super::endpoint::Endpoint;

/// What the text names.
pub struct Place<'a> {
    pub kubeconfig: &'a Path,
    /// The directory that holds kubectl.
    pub programs: &'a Path,
    pub namespace: &'a str,
    pub agent: &'a str,
    /// An Agent that has a shell.
    pub sandboxed: Option<&'a str>,
    /// A CronJob that was run.
    pub cron_job: Option<&'a str>,
    /// The cluster IP and port of the scripted server, when it answers.
    pub model_server: Option<&'a str>,
}

/// The text that ends the demo.
#[must_use]
pub fn steps(place: &Place<'_>, endpoint: &Endpoint) -> String {
    let Place { namespace, agent, .. } = place;
    let provider = endpoint.provider;
    let mut sections = vec![format!(
        r#"What to try next. Everything keeps running until `cargo demo down`. In each new terminal, run this first:

  export KUBECONFIG={kubeconfig} PATH={programs}:$PATH

Ask something else
  cargo demo ask {agent} "What do you think of Kubernetes?"
"#,
        kubeconfig = place.kubeconfig.display(),
        programs = place.programs.display(),
    )];
    sections.extend(place.sandboxed.map(|agent| shell_edits(namespace, agent)));
    sections.extend(place.cron_job.map(|job| schedule_edits(namespace, job)));
    sections.extend(model_edits(place, endpoint));
    // A real endpoint would refuse an invented key.
    let key = if endpoint.scripted { "another-key" } else { "<another key of yours>" };
    sections.push(format!(
        r#"Use another key. The gateway's Pod is replaced; a few seconds later the status says why
  kubectl -n {namespace} patch secret {provider} -p '{{"stringData":{{"api-key":"{key}"}}}}'
  kubectl -n {namespace} get agent {agent} -o jsonpath='{{.status.gateway.lastRollout}}{{"\n"}}'

Look
  kubectl -n {namespace} describe agent {agent}
  kubectl -n {namespace} get deployments,pods,services,configmaps,persistentvolumeclaims,networkpolicies
  kubectl -n creel-system logs deployment/creel-operator
  kubectl explain agent.spec
"#
    ));
    if let Some(address) = place.model_server {
        sections.push(format!(
            r#"The model server is scripted: list its requests, set an answer, and remove it again
  curl -s http://{address}/requests
  curl -s -X PUT http://{address}/scripts/demo -d '[{{"reply":{{"text":"Hello from the script."}}}}]'
  cargo demo ask {agent} "Hello?"
  curl -s -X DELETE http://{address}/scripts/demo
"#
        ));
    }
    sections.push("Apply the samples again: `cargo demo`. Remove everything: `cargo demo down`.\n".to_owned());
    sections.join("\n")
}

/// A command, and another access to the workspace.
fn shell_edits(namespace: &str, agent: &str) -> String {
    format!(
        r#"Let {agent} run a command. It runs in the Pod {agent}-sandbox, which mounts the workspace from the gateway's claim
  cargo demo ask {agent} 'Run `id; ls -la; touch note.txt && ls` in your shell.'
  kubectl -n {namespace} exec {agent}-sandbox -c shell -- ls -l /workspaces

Mount the workspace of {agent} read-only, then read-write again. The sandbox Pod is replaced, the gateway's Pod is not
  kubectl -n {namespace} patch agent {agent} --type merge -p '{{"spec":{{"sandbox":{{"workspaceAccess":"ro"}}}}}}'
  kubectl -n {namespace} get sandboxes,pods
  kubectl -n {namespace} patch agent {agent} --type merge -p '{{"spec":{{"sandbox":{{"workspaceAccess":"rw"}}}}}}'
"#
    )
}

/// A run, another schedule, and a rest.
fn schedule_edits(namespace: &str, job: &str) -> String {
    format!(
        r#"Run {job} now, change its schedule (its history is kept), and suspend it
  kubectl -n {namespace} annotate ccj {job} creel.dev/run-now=$(date +%s) --overwrite
  kubectl -n {namespace} get ccj {job} -o jsonpath='{{range .status.recentRuns[*]}}{{.time}} {{.status}} {{.duration}}{{"\n"}}{{end}}'
  kubectl -n {namespace} patch ccj {job} --type merge -p '{{"spec":{{"every":null,"schedule":"0 4 * * *","timeZone":"Europe/Paris"}}}}'
  kubectl -n {namespace} patch ccj {job} --type merge -p '{{"spec":{{"suspend":true}}}}'
  kubectl -n {namespace} get ccj
"#
    )
}

/// A change of the model that works, one that doesn't, and the way back.
fn model_edits(place: &Place<'_>, endpoint: &Endpoint) -> Vec<String> {
    let Place { namespace, agent, .. } = place;
    let patch = |model: &str| {
        format!(
            r#"kubectl -n {namespace} patch agent {agent} --type merge -p '{{"spec":{{"model":{{"primary":{{"model":"{model}"}}}}}}}}'"#
        )
    };
    let mut sections = Vec::new();
    if let [_, other, ..] = endpoint.models.as_slice() {
        sections.push(format!(
            "Use another model. The running gateway applies it within seconds, without a restart\n  {}\n  kubectl -n {namespace} get agents,pods\n",
            patch(other)
        ));
    }
    if let Some(first) = endpoint.models.first() {
        sections.push(format!(
            "Make a typo in the name of the model. The last valid model stays in use, and the message suggests the right name. Then undo it\n  {}\n  kubectl -n {namespace} get agent {agent} -o wide\n  {}\n",
            patch(&format!("{first}x")),
            patch(first)
        ));
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(variables: &[(&str, &str)], model_server: Option<&str>) -> String {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let place = Place {
            kubeconfig: Path::new("/run/kubeconfig"),
            programs: Path::new("/bin"),
            namespace: "assistants",
            agent: "concierge",
            sandboxed: Some("writer"),
            cron_job: Some("journal"),
            model_server,
        };
        steps(&place, &Endpoint::choose(find, None))
    }

    #[test]
    fn the_lines_name_what_runs() {
        let text = text(&[], Some("10.96.0.9:8080"));
        for line in [
            "export KUBECONFIG=/run/kubeconfig",
            r#"patch agent concierge --type merge -p '{"spec":{"model":{"primary":{"model":"gpt-4o"}}}}'"#,
            r#"-p '{"spec":{"model":{"primary":{"model":"gpt-4o-minix"}}}}'"#,
            r#"-p '{"spec":{"model":{"primary":{"model":"gpt-4o-mini"}}}}'"#,
            r#"patch secret scripted -p '{"stringData":{"api-key":"another-key"}}'"#,
            "http://10.96.0.9:8080/requests",
            "cargo demo ask writer 'Run `id; ",
            "annotate ccj journal creel.dev/run-now=$(date +%s) --overwrite",
            r#"patch ccj journal --type merge -p '{"spec":{"suspend":true}}'"#,
            r#"patch agent writer --type merge -p '{"spec":{"sandbox":{"workspaceAccess":"ro"}}}'"#,
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }

    #[test]
    fn a_real_key_is_never_part_of_the_text() {
        let text = text(&[("OPENAI_API_KEY", "sk-real")], None);
        assert!(!text.contains("sk-real") && !text.contains("scripted"), "{text}");
        assert!(
            text.contains(r#"patch secret openai -p '{"stringData":{"api-key":"<another key of yours>"}}'"#),
            "{text}"
        );
    }
}
