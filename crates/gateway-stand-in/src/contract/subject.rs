//! The gateway under test, and the contract's own client. Touches the network: the gateway.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::document::{MODEL, WRITER};
use super::socket::{Device, Socket};
use crate::cron::Turns;

/// Time that passes between two looks, and looks at most.
const STEP: Duration = Duration::from_millis(200);
const LOOKS: u32 = 600;

/// What only the host of a gateway can do.
pub trait Host: Sync {
    /// Lets time pass for the gateway. Where it is a process, that is to wait.
    fn pass(&self, time: Duration) -> impl Future<Output = ()> + Send;
    /// Gives the gateway this openclaw.json, byte by byte.
    fn configure(&self, text: &str) -> impl Future<Output = ()> + Send;
    /// Sets what becomes of the turns that begin from now on. Those that are held end once it says otherwise, or a minute later.
    fn set_turns(&self, turns: Turns) -> impl Future<Output = ()> + Send;
    /// Kills the gateway, starts it again with the same state, and returns once it answers.
    fn kill(&self) -> impl Future<Output = ()> + Send;
}

/// A gateway under test.
#[derive(Debug)]
pub struct Subject<H> {
    pub address: SocketAddr,
    pub token: String,
    pub host: H,
    /// The configuration that it has.
    pub document: Value,
    pub(super) http: reqwest::Client,
}

/// A call that was refused.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub body: Value,
}

impl Refused {
    /// What the gateway says, if it says so in an answer to a call.
    #[must_use]
    pub fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.body["error"]["retryAfterMs"].as_u64().map(Duration::from_millis)
    }
}

impl<H: Host> Subject<H> {
    #[must_use]
    pub fn new(address: SocketAddr, token: &str, host: H, document: Value) -> Self {
        // The gateway resets a kept connection when its thread was busy for five seconds, as during a reload.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build();
        let http = http.expect("an HTTP client");
        Self { address, token: token.to_owned(), host, document, http }
    }

    /// Clears away what an earlier clause left behind when it failed.
    pub async fn begin(&self, clause: &str) {
        println!("contract: {clause}");
        self.host.set_turns(Turns::Answer).await;
        for job in self.list().await {
            if job["declarationKey"].as_str().is_some_and(|key| key.starts_with(PREFIX)) {
                self.remove(&job).await;
            }
        }
    }

    /// The time of the gateway's clock, in milliseconds since 1970.
    pub async fn now(&self) -> i64 {
        Socket::open(self).await.1["ts"].as_i64().expect("a time")
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Calls a method over HTTP.
    pub async fn call(&self, method: &str, params: &Value) -> Result<Value, Refused> {
        let call = json!({"id": "1", "method": method, "params": params});
        let request = self.http.post(self.url("/api/v1/admin/rpc")).bearer_auth(&self.token).json(&call);
        let response = request.send().await.expect("the gateway answers");
        let status = response.status().as_u16();
        let mut body: Value = response.json().await.expect("the answer is JSON");
        if status == 200 && body["ok"] == true { Ok(body["payload"].take()) } else { Err(Refused { status, body }) }
    }

    /// The same where it is the answer that counts, and not how often it was asked.
    async fn patiently(&self, method: &str, params: &Value) -> Result<Value, Refused> {
        loop {
            match self.call(method, params).await {
                Err(refused) if refused.retry_after().is_some() => {
                    self.host.pass(refused.retry_after().unwrap_or_default()).await;
                }
                answer => return answer,
            }
        }
    }

    pub async fn ok(&self, method: &str, params: Value) -> Value {
        let answer = self.patiently(method, &params).await;
        answer.unwrap_or_else(|refused| panic!("{method} {params} is refused: {refused:?}"))
    }

    pub async fn refused(&self, method: &str, params: Value) -> Refused {
        match self.patiently(method, &params).await {
            Err(refused) => refused,
            Ok(answer) => panic!("{method} {params} is not refused: {answer}"),
        }
    }

    /// Refused as something that went wrong inside, of which the gateway says nothing.
    pub async fn refused_without_a_reason(&self, method: &str, params: Value) {
        let refused = self.refused(method, params).await;
        assert_eq!((refused.status, refused.body["error"]["code"].as_str()), (503, Some("UNAVAILABLE")), "{refused:?}");
        assert_eq!(refused.message(), "gateway method failed before returning a response");
        assert_eq!(refused.body["error"].get("retryAfterMs"), None, "{refused:?}");
    }

    /// Refused as a fault of the call, with these words.
    pub async fn refused_because(&self, method: &str, params: Value, words: &str) {
        let refused = self.refused(method, params).await;
        let code = refused.body["error"]["code"].as_str();
        assert_eq!((refused.status, code), (400, Some("INVALID_REQUEST")), "{refused:?}");
        assert!(refused.message().contains(words), "{words:?} in {refused:?}");
    }

    /// Looks until it fits.
    pub async fn eventually<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
        let mut seen = String::new();
        for _ in 0..LOOKS {
            match look().await {
                Ok(found) => return found,
                Err(other) => seen = other,
            }
            self.host.pass(STEP).await;
        }
        panic!("{what} is not seen, but {seen}")
    }

    /// Declares a job and returns it.
    pub async fn declare(&self, job: &Value) -> Value {
        self.ok("cron.add", job.clone()).await["job"].take()
    }

    pub async fn get(&self, job: &Value) -> Value {
        self.ok("cron.get", json!({"id": job["id"]})).await
    }

    pub async fn update(&self, job: &Value, patch: Value) -> Value {
        self.ok("cron.update", json!({"id": job["id"], "patch": patch})).await
    }

    /// Removes a job. A gateway that is busy may answer with an error without a reason, because it could not clear away the job's
    /// session; the job is gone all the same.
    pub async fn remove(&self, job: &Value) {
        let params = json!({"id": job["id"]});
        if let Err(refused) = self.patiently("cron.remove", &params).await {
            assert_eq!(refused.status, 503, "{job} cannot be removed: {refused:?}");
            let gone = self.refused("cron.get", params).await;
            assert_eq!(gone.body["error"]["details"]["code"], "CRON_JOB_NOT_FOUND", "after {refused:?}: {gone:?}");
        }
    }

    /// All jobs.
    pub async fn list(&self) -> Vec<Value> {
        let page = self.ok("cron.list", json!({"includeDisabled": true, "limit": 200})).await;
        page["jobs"].as_array().expect("jobs").clone()
    }

    /// The runs of the job that have ended, newest first.
    pub async fn runs(&self, job: &Value) -> Vec<Value> {
        let page = self.ok("cron.runs", json!({"jobId": job["id"], "limit": 200, "sortDir": "desc"})).await;
        page["entries"].as_array().expect("entries").clone()
    }

    /// Waits until so many runs of the job have ended; the newest.
    pub async fn ran(&self, job: &Value, times: usize) -> Value {
        self.eventually(&format!("run {times}"), async || {
            let runs = self.runs(job).await;
            runs.first().filter(|_| runs.len() >= times).cloned().ok_or_else(|| format!("{runs:?}"))
        })
        .await
    }

    /// Waits until the run of the job is in progress; the job.
    pub async fn runs_now(&self, job: &Value) -> Value {
        self.eventually("a run in progress", async || {
            let job = self.get(job).await;
            if job["state"]["runningAtMs"].is_number() { Ok(job) } else { Err(job.to_string()) }
        })
        .await
    }

    /// A connection of a new device that was approved.
    pub async fn paired(&self) -> Socket {
        let device = Device::new();
        match Socket::connect(self, &device).await {
            Ok(socket) => socket,
            Err(refusal) => {
                let request = refusal["details"]["requestId"].clone();
                self.ok("device.pair.approve", json!({"requestId": request})).await;
                Socket::connect(self, &device).await.unwrap_or_else(|refusal| panic!("still not let in: {refusal}"))
            }
        }
    }

    /// Asks for a run of the job, and returns its id.
    pub async fn run(&self, socket: &mut Socket, job: &Value) -> String {
        let answer = socket.call("cron.run", json!({"id": job["id"], "mode": "force"})).await;
        let answer = answer.unwrap_or_else(|refusal| panic!("the run is refused: {refusal}"));
        answer["runId"].as_str().unwrap_or_else(|| panic!("no run begins: {answer}")).to_owned()
    }
}

/// What the keys of all jobs of this contract begin with.
const PREFIX: &str = "k8s:contract/";

/// A job that is not due while the contract is tried.
#[must_use]
pub fn job(name: &str) -> Value {
    json!({
        "declarationKey": format!("{PREFIX}{name}"),
        "name": name,
        "description": "first",
        "agentId": WRITER,
        "schedule": {"kind": "cron", "expr": "0 4 29 2 *", "tz": "Europe/Paris", "staggerMs": 0},
        "sessionTarget": "isolated",
        "wakeMode": "now",
        "payload": {"kind": "agentTurn", "message": "Say that it is done.", "model": MODEL, "fallbacks": []},
        "delivery": {"mode": "none"},
        "failureAlert": false,
    })
}

/// The job with other values of these fields.
#[must_use]
pub fn with(mut job: Value, fields: &Value) -> Value {
    for (field, value) in fields.as_object().expect("fields") {
        job[field] = value.clone();
    }
    job
}
