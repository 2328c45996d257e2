//! What a test holds of its gateway. Touches the network: the loopback address.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::config::Reload;
use crate::cron::{Outcome, Scheduler, Turns};
use crate::gateway::{Call, Gateway};
use crate::server::{self, Shared, lock};

/// A gateway on the loopback address. Dropped, it is gone, with all its connections.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    gateway: Shared,
    server: JoinHandle<()>,
}

impl StandIn {
    /// Starts with this openclaw.json.
    ///
    /// # Panics
    /// If it would not start: a test needs its gateway.
    #[allow(clippy::panic, reason = "that is how a test fails")]
    pub async fn start(token: &str, configuration: &str) -> Self {
        let gateway = Gateway::new(token, configuration)
            .unwrap_or_else(|issue| panic!("the stand-in does not start with this configuration: {issue}"));
        let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listening = listening.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) =
            listening.unwrap_or_else(|error| panic!("the loopback address cannot be listened on: {error}"));
        let gateway = Arc::new(Mutex::new(gateway));
        let server = tokio::spawn(server::serve(listener, Arc::clone(&gateway)));
        Self { address, gateway, server }
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn token(&self) -> String {
        lock(&self.gateway).token.clone()
    }

    /// Another token: the one before is refused.
    pub fn set_token(&self, token: &str) {
        token.clone_into(&mut lock(&self.gateway).token);
    }

    /// Writes this openclaw.json. It is in force at once, unless [`Self::set_reload`] says otherwise.
    pub fn configure(&self, configuration: &str) {
        let mut gateway = lock(&self.gateway);
        gateway.configuration.write(configuration);
        gateway.follow_configuration();
    }

    /// How far the gateway gets with a file that is written, the last one included.
    pub fn set_reload(&self, reload: Reload) {
        let mut gateway = lock(&self.gateway);
        gateway.configuration.set_reload(reload);
        gateway.follow_configuration();
    }

    /// Lets time pass. What is due meanwhile begins.
    pub fn pass(&self, time: Duration) {
        lock(&self.gateway).pass(time);
    }

    /// Sets the clock back, as a node does whose clock ran ahead.
    pub fn turn_back(&self, time: Duration) {
        lock(&self.gateway).clock.turn_back(time);
    }

    /// What becomes of turns from now on; those that are held end so.
    pub fn set_turns(&self, turns: Turns) {
        lock(&self.gateway).with_scheduler(|scheduler, around| scheduler.set_turns(turns, around));
    }

    /// Ends the run of this job that is held; whether there was one.
    #[must_use]
    pub fn finish_run(&self, job: &str, outcome: &Outcome) -> bool {
        let mut gateway = lock(&self.gateway);
        gateway.clock.tick();
        gateway.with_scheduler(|scheduler, around| scheduler.finish(job, outcome, around))
    }

    /// From now on callers count as coming from another machine: a device has to be approved.
    pub fn set_callers_remote(&self) {
        lock(&self.gateway).callers_are_local = false;
    }

    /// From now on it counts as started without the variables of these providers.
    pub fn set_unavailable(&self, providers: &[&str]) {
        lock(&self.gateway).unavailable = providers.iter().map(|id| (*id).to_owned()).collect();
    }

    /// Kills the gateway and starts it again with the same state: what ran is cut off, and what waited is forgotten.
    pub fn kill(&self) {
        lock(&self.gateway).with_scheduler(Scheduler::kill);
    }

    /// The calls since the last time this was asked.
    #[must_use]
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut lock(&self.gateway).calls)
    }

    /// The methods of the calls since the last time this was asked.
    #[must_use]
    pub fn take_methods(&self) -> Vec<String> {
        self.take_calls().into_iter().map(|call| call.method).collect()
    }

    /// Answers a method as over the admin route, without being counted; `Null` where it is refused.
    #[must_use]
    pub fn ask(&self, method: &str, params: &Value) -> Value {
        let mut gateway = lock(&self.gateway);
        let answer = gateway.answer(&crate::gateway::Caller::Token, method, params);
        gateway.calls.pop();
        answer.unwrap_or_default()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}
