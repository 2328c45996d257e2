//! All that one gateway knows, and how it answers a call, whichever way it came. Touches nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::{Clock, milliseconds};
use crate::config::Configuration;
use crate::cron::{Authority, Scheduler, Surroundings};
use crate::devices::{ADMIN, Claim, Devices, Peer};
use crate::limits::Limits;
use crate::refusal::Refusal;

/// Over the admin route, all else is unknown there.
const OVER_HTTP: [&str; 15] = [
    "config.get",
    "cron.add",
    "cron.get",
    "cron.list",
    "cron.remove",
    "cron.run",
    "cron.runs",
    "cron.status",
    "cron.update",
    "device.pair.approve",
    "device.pair.list",
    "device.pair.reject",
    "device.pair.remove",
    "health",
    "status",
];

/// A call that was answered, for tests that count them.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub method: String,
    pub params: Value,
}

/// Who calls.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Whoever has the token, by one HTTP call.
    Token,
    Peer(Peer),
}

#[derive(Debug)]
pub struct Gateway {
    pub token: String,
    pub clock: Clock,
    pub configuration: Configuration,
    pub scheduler: Scheduler,
    pub devices: Devices,
    /// Whether callers count as coming from the gateway's own machine: their devices need no approval then.
    pub callers_are_local: bool,
    pub calls: Vec<Call>,
    /// The ids of the providers whose variables were missing when it started.
    pub unavailable: Vec<String>,
    limits: Limits,
    challenges: u64,
}

impl Gateway {
    pub fn new(token: &str, configuration: &str) -> Result<Self, String> {
        let configuration = Configuration::new(configuration)?;
        let mut gateway = Self {
            token: token.to_owned(),
            clock: Clock::new(),
            configuration,
            scheduler: Scheduler::default(),
            devices: Devices::default(),
            callers_are_local: true,
            calls: Vec::new(),
            unavailable: Vec::new(),
            limits: Limits::default(),
            challenges: 0,
        };
        gateway.follow_configuration();
        Ok(gateway)
    }

    pub fn follow_configuration(&mut self) {
        self.with_scheduler(Scheduler::keep_own_jobs);
    }

    /// Lets the scheduler work with what else the gateway knows.
    pub fn with_scheduler<T>(&mut self, work: impl FnOnce(&mut Scheduler, Surroundings<'_>) -> T) -> T {
        let surroundings = Surroundings { configuration: &self.configuration, now_ms: self.clock.now() };
        work(&mut self.scheduler, surroundings)
    }

    /// Lets time pass: what is due meanwhile begins at its time.
    pub fn pass(&mut self, time: Duration) {
        let end = self.clock.now().saturating_add(milliseconds(time));
        while let Some(due) = self.scheduler.next_due().filter(|due| *due <= end) {
            self.clock.move_to(due);
            self.with_scheduler(Scheduler::begin_due);
        }
        self.clock.move_to(end);
    }

    /// Answers a call.
    pub fn answer(&mut self, caller: &Caller, method: &str, params: &Value) -> Result<Value, Refusal> {
        self.clock.tick();
        self.calls.push(Call { method: method.to_owned(), params: params.clone() });
        let authority = match caller {
            Caller::Token if !OVER_HTTP.contains(&method) => {
                return Err(Refusal::invalid(format!("admin HTTP RPC method is not supported: {method}")));
            }
            Caller::Token => Authority::Call,
            Caller::Peer(peer) => {
                peer.may(method)?;
                Authority::Device
            }
        };
        self.limits.count(&caller.name(), method, self.clock.now())?;
        match method {
            "config.get" => Ok(self.configuration.payload()),
            "device.pair.list" => Ok(self.devices.list()),
            "device.pair.approve" => self.devices.approve(params),
            "device.pair.reject" => self.devices.reject(params),
            "device.pair.remove" => self.devices.remove(params),
            "health" => Ok(json!({"ok": true})),
            "status" => Ok(self.status()),
            _ => {
                let answered = self.with_scheduler(|cron, around| cron.answer(method, params, authority, around));
                answered.unwrap_or_else(|| Err(Refusal::invalid(format!("unknown method: {method}"))))
            }
        }
    }

    fn status(&self) -> Value {
        let owner = |id: &String| {
            json!({
                "ownerKind": "provider", "ownerId": id, "state": "unavailable", "degradationState": "cold",
                "paths": [format!("models.providers.{id}.apiKey")], "reason": "secret reference was not found",
            })
        };
        json!({"degradedSecretOwners": self.unavailable.iter().map(owner).collect::<Vec<_>>()})
    }

    /// What a connection is greeted with.
    pub fn challenge(&mut self) -> (String, Value) {
        self.challenges += 1;
        let nonce = format!("nonce-{}", self.challenges);
        let payload = json!({"nonce": nonce, "ts": self.clock.now(), "capabilities": []});
        (nonce, payload)
    }

    /// Answers `connect`.
    pub fn connect(&mut self, params: &Value, nonce: &str) -> Result<(Peer, Value), Refusal> {
        self.clock.tick();
        self.calls.push(Call { method: "connect".to_owned(), params: params.clone() });
        let claim: Claim = serde_json::from_value(params.clone())
            .map_err(|error| Refusal::invalid_params("connect", &error.to_string()))?;
        let peer = claim.check(&mut self.devices, &self.token, nonce, self.clock.now(), self.callers_are_local)?;
        let hello = json!({
            "type": "hello-ok", "protocol": 4, "server": {"version": "2026.9.6"},
            "auth": {"method": "token", "role": "operator", "scopes": peer.scopes},
        });
        Ok((peer, hello))
    }
}

impl Caller {
    fn name(&self) -> String {
        match self {
            Self::Token => "http".to_owned(),
            Self::Peer(peer) => format!("device {}", peer.device.as_deref().unwrap_or_default()),
        }
    }
}

impl Peer {
    /// Whoever has no device has no scope. To read is less than to administer, and all else needs that.
    fn may(&self, method: &str) -> Result<(), Refusal> {
        let reads = ["cron.get", "cron.list", "cron.runs", "cron.status", "health", "status"].contains(&method);
        let needed = if reads { "operator.read" } else { ADMIN };
        let has = |scope: &str| self.scopes.iter().any(|own| own == scope);
        if has(needed) || has(ADMIN) { Ok(()) } else { Err(Refusal::missing_scope(needed)) }
    }
}
