//! Chromium without a window, driven by its DevTools protocol over two pipes: no library, no port.
//! <https://chromedevtools.github.io/devtools-protocol/>

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::{Uid, mkfifo};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than any wait here, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The names under which distributions have it.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chromium-headless-shell"];

/// A browser with one page.
pub struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: Option<String>,
    number: u64,
    /// Errors of the page's scripts and policy.
    pub complaints: Vec<String>,
    _folder: TempDir,
}

/// Returns Chromium, or says that a test is skipped without it.
pub fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| PROGRAMS.map(|program| folder.join(program)))
        .find(|program| program.is_file());
    if found.is_none() {
        // Not by a macro, whose output is shown only of tests that fail.
        let word = b"skipped: there is no chromium (scripts/setup --browser)\n";
        std::io::stderr().write_all(word).unwrap();
    }
    found
}

impl Browser {
    /// Starts one that prefers a language; `shell` makes the command that runs a shell, such as on a
    /// station of the virtual air.
    pub fn start(program: &Path, language: &str, shell: impl FnOnce() -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipes = ["to", "from"].map(|name| folder.path().join(name));
        pipes.iter().for_each(|pipe| mkfifo(pipe, Mode::S_IRWXU).unwrap());
        let mut command = shell();
        // It reads commands from descriptor 3, and answers on 4.
        command
            .args(["-c", "to=$1 from=$2; shift 2; exec \"$@\" 3<\"$to\" 4>\"$from\"", "sh"])
            .args(&pipes)
            .arg(program);
        command.args(["--headless", "--remote-debugging-pipe", "--hide-scrollbars", "--disable-gpu", "--no-first-run"]);
        command.args([format!("--lang={language}"), format!("--accept-lang={language}")]);
        command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
        // Chromium's own sandbox does not run as root.
        command.args(Uid::effective().is_root().then_some("--no-sandbox"));
        command.env("HOME", folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        // Each waits until the other end is open.
        let to = OpenOptions::new().write(true).open(&pipes[0]).unwrap();
        let from = BufReader::new(File::open(&pipes[1]).unwrap());
        let mut browser = Self { child, to, from, session: None, number: 0, complaints: Vec::new(), _folder: folder };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.call("Target.attachToTarget", attach)["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method, and returns its result.
    #[track_caller]
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut answer = Vec::new();
            self.from.read_until(0, &mut answer).unwrap();
            assert_eq!(answer.pop(), Some(0), "the browser has ended");
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            match answer["method"].as_str() {
                Some("Runtime.exceptionThrown") => self.complaints.push(answer["params"].to_string()),
                Some("Log.entryAdded") if answer["params"]["entry"]["level"] == "error" => {
                    self.complaints.push(answer["params"]["entry"].to_string());
                }
                _ => {}
            }
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Opens an address.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// Makes the page so large, light or dark.
    pub fn look(&mut self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 800 });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Returns what an expression is; of a promise, what it becomes.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let what = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", what);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Returns the text of what a selector finds; empty if it finds nothing.
    pub fn text(&mut self, selector: &str) -> String {
        let find = format!("(document.querySelector({}) || {{}}).innerText || ''", json!(selector));
        self.evaluate(&find).as_str().unwrap_or_default().to_owned()
    }

    /// Presses what a selector finds.
    #[track_caller]
    pub fn press(&mut self, selector: &str) {
        self.evaluate(&format!("document.querySelector({}).click()", json!(selector)));
    }

    /// Waits until an expression is true, and returns how long that took.
    #[track_caller]
    pub fn wait_until(&mut self, expression: &str) -> Duration {
        let began = Instant::now();
        loop {
            let is_so = self.evaluate(&format!("!!({expression})"));
            if is_so == true {
                return began.elapsed();
            }
            if began.elapsed() > PATIENCE {
                let page = self.text("body");
                panic!("never {expression}:\n{page}\n{:?}", self.complaints);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Takes a picture of the page down to `tallest_px`, and writes it as PNG.
    pub fn picture(&mut self, file: &Path, tallest_px: f64) {
        let size = self.call("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        let height = size["height"].as_f64().unwrap().min(tallest_px);
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1 });
        let what = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let data = self.call("Page.captureScreenshot", what)["data"].as_str().unwrap().to_owned();
        std::fs::write(file, data_encoding::BASE64.decode(data.as_bytes()).unwrap()).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its helpers end with the pipes.
        let mut rest = Vec::new();
        let _ = self.from.by_ref().take(1).read_to_end(&mut rest);
    }
}
