//! A real browser, by the protocol of `WebDriver` (W3C): JSON over HTTP. Only what the tests need of it. Touches the network; writes
//! screenshots below `target/`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::ByteString;
use reqwest::Method;
use serde_json::{Value, json};

use super::namespace::START;
use super::wait::eventually;
use crate::chart::workspace;

/// A page may take long to load on a busy machine; who waits this long waits for a browser that hangs.
const ANSWER: Duration = Duration::from_mins(3);
const ENTER: &str = "\u{E007}";

/// What people read on the page, with what is in shadow trees.
const TEXT: &str = "
    const read = (node) => node.nodeType === Node.TEXT_NODE ? node.data
        : ['SCRIPT', 'STYLE'].includes(node.nodeName) ? ''
        : [...(node.shadowRoot ? node.shadowRoot.childNodes : []), ...node.childNodes].map(read).join(' ');
    return read(document.body).replace(/\\s+/g, ' ');";

/// One window with a profile of its own.
pub struct Browser {
    http: reqwest::Client,
    session: String,
}

impl Browser {
    /// Opens a window by the driver at this address. `hosts`: rules of Chromium for where hosts are.
    pub async fn open(driver: SocketAddr, hosts: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER).build().expect("a client");
        // The Pod is the sandbox, and its /dev/shm is small.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--force-prefers-reduced-motion",
            "--window-size=1280,960",
        ];
        let arguments: Vec<String> =
            arguments.map(str::to_owned).into_iter().chain([format!("--host-resolver-rules={hosts}")]).collect();
        let capabilities =
            json!({"browserName": "chrome", "acceptInsecureCerts": true, "goog:chromeOptions": {"args": arguments}});
        let mut browser = Self { http, session: format!("http://{driver}/session") };
        let opened = browser.call(Method::POST, "", json!({"capabilities": {"alwaysMatch": capabilities}})).await;
        browser.session = format!("{}/{}", browser.session, opened["sessionId"].as_str().expect("a session"));
        browser
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        self.try_call(method, path, body).await.unwrap_or_else(|said| panic!("{path}: {said}"))
    }

    /// `Err`: what the driver says is wrong.
    async fn try_call(&self, method: Method, path: &str, body: Value) -> Result<Value, Value> {
        let request = self.http.request(method.clone(), format!("{}{path}", self.session));
        let request = if method == Method::POST { request.json(&body) } else { request };
        let response =
            request.send().await.unwrap_or_else(|error| panic!("the browser does not answer {path}: {error}"));
        let is_good = response.status().is_success();
        let mut said: Value = response.json().await.expect("an answer of the driver");
        let value = said["value"].take();
        if is_good { Ok(value) } else { Err(value) }
    }

    /// Goes to an address.
    pub async fn go(&self, url: &str) {
        self.call(Method::POST, "/url", json!({"url": url})).await;
    }

    /// What people read on the page.
    pub async fn text(&self) -> String {
        let text = self.call(Method::POST, "/execute/sync", json!({"script": TEXT, "args": []})).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until people read this on the page; a screenshot is kept then, and when they do not.
    pub async fn reads(&self, words: &str, screenshot: &str) {
        self.reads_times(words, 1, screenshot).await;
    }

    /// The same, until they read it this many times.
    pub async fn reads_times(&self, words: &str, times: usize, screenshot: &str) {
        let seen = eventually(START, async || {
            let text = self.text().await;
            if text.matches(words).count() >= times { Ok(()) } else { Err(text) }
        });
        let seen = seen.await;
        self.keep_screenshot(screenshot).await;
        if let Err(seen) = seen {
            panic!("the page does not say {words:?} {times} times but {seen:?}");
        }
    }

    /// Types these words into the first element that the selector finds, once it can take them, and Enter.
    pub async fn enter(&self, selector: &str, words: &str) {
        let find = json!({"using": "css selector", "value": selector});
        let entered = eventually(START, async || {
            let said = |said: Value| said.to_string();
            let found = self.try_call(Method::POST, "/element", find.clone()).await.map_err(said)?;
            let id =
                found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str).expect("an element");
            let words = json!({"text": format!("{words}{ENTER}")});
            self.try_call(Method::POST, &format!("/element/{id}/value"), words).await.map_err(said)
        });
        entered.await.unwrap_or_else(|said| panic!("{words:?} cannot be entered into {selector}: {said}"));
    }

    /// Keeps a picture of the page: `target/suite/screenshots/<name>.png`.
    async fn keep_screenshot(&self, name: &str) {
        let picture = self.call(Method::GET, "/screenshot", Value::Null).await;
        let ByteString(picture) = serde_json::from_value(picture).expect("a picture");
        let directory = screenshots();
        std::fs::create_dir_all(&directory).expect("target/ can be written");
        std::fs::write(directory.join(format!("{name}.png")), picture).expect("target/ can be written");
    }

    /// Closes the window.
    pub async fn close(self) {
        self.call(Method::DELETE, "", Value::Null).await;
    }
}

/// Where the screenshots of a run are.
fn screenshots() -> PathBuf {
    workspace().join("target/suite/screenshots")
}
