//! Reconciles against a gateway that answers as the real one does.

mod declaring;
mod refusals;

use gateway_stand_in::StandIn;
use serde_json::{Value, json};

use super::*;
use crate::declarations::fixtures::cron_job;
use crate::tests::small_world::{NAMESPACE, SmallWorld};
use crate::tests::stand_in::{JOINED, OWNER, admin, endpoint, seen, start, world};

/// The CronJobs of a gateway, and the gateway.
struct Bench {
    gateway: StandIn,
    world: SmallWorld,
    /// What the operator is told of the gateway's agents.
    agents: Vec<&'static str>,
    memory: Memory,
}

impl Bench {
    async fn new(cron_jobs: Vec<CronJob>) -> Self {
        let world = SmallWorld { cron_jobs, ..world() };
        Self { gateway: start().await, world, agents: vec![OWNER, JOINED], memory: Memory::default() }
    }

    /// One reconcile: what it found, and when the next one is due.
    async fn reconcile(&mut self) -> (Arc<JobsFound>, Duration) {
        let context = Context::new(seen(&self.world, endpoint(&self.gateway), OWNER, &self.agents), admin());
        *context.memory(NAMESPACE, OWNER) = std::mem::take(&mut self.memory);
        let owner = self.world.agents.iter().find(|agent| agent.name_any() == OWNER).unwrap().clone();
        let again = reconcile(&owner, &context).await;
        self.memory = std::mem::take(&mut context.memory(NAMESPACE, OWNER));
        (context.facts.jobs.of(NAMESPACE, OWNER).known().unwrap_or_default(), again)
    }

    /// The same by an operator that was restarted: it remembers nothing, and so asks the gateway.
    async fn after_restart(&mut self) -> Arc<JobsFound> {
        self.memory = Memory::default();
        self.reconcile().await.0
    }

    /// What became of this CronJob.
    async fn state_of(&mut self, name: &str) -> SyncState {
        self.after_restart().await.jobs[name].state.clone()
    }

    fn edit(&mut self, edit: impl Fn(&mut CronJob)) {
        for job in &mut self.world.cron_jobs {
            edit(job);
            job.metadata.generation = job.metadata.generation.map(|generation| generation + 1);
        }
    }

    /// The jobs of ours that the gateway has.
    fn jobs(&self) -> Vec<Value> {
        let listed = self.gateway.ask("cron.list", &json!({"includeDisabled": true, "limit": 200}));
        let jobs = listed["jobs"].as_array().unwrap().iter();
        let ours = |job: &&Value| job["declarationKey"].as_str().is_some_and(|key| key.starts_with("k8s:"));
        jobs.filter(ours).cloned().collect()
    }

    fn only_job(&self) -> Value {
        let mut jobs = self.jobs();
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        jobs.remove(0)
    }

    /// What was sent to change something since this was asked last.
    fn writes(&self) -> Vec<String> {
        let writes = ["cron.add", "cron.update", "cron.remove", "cron.run"];
        self.gateway.take_methods().into_iter().filter(|method| writes.contains(&method.as_str())).collect()
    }
}

fn notes() -> CronJob {
    cron_job("notes", "{every: 10m}")
}
