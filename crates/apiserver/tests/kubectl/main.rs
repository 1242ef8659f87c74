//! The server against a real kubectl: each flow is a few commands and what they print.
//!
//! Skipped, with a word, where there is no kubectl.

mod bench;
mod channels;
mod flows;
mod streams;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A server and a kubectl that talks to it.
pub struct Kubectl {
    pub bench: bench::Bench,
    dir: tempfile::TempDir,
}

impl Kubectl {
    /// `None` where there is no kubectl.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    pub async fn start() -> Option<Self> {
        if Command::new("kubectl").arg("--help").output().is_err() {
            eprintln!("skipped: there is no kubectl on this machine");
            return None;
        }
        let dir = tempfile::tempdir().expect("tempdir");
        let bench = bench::start(dir.path()).await;
        std::fs::write(dir.path().join("kubeconfig"), &bench.kubeconfig).expect("write the kubeconfig");
        Some(Self { bench, dir })
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(shlex::split(line).expect("a command line"))
            .env("KUBECONFIG", self.dir.path().join("kubeconfig"))
            .env("HOME", self.dir.path())
            .stdin(Stdio::null());
        command
    }

    pub async fn run(&self, line: &str) -> Output {
        self.run_with(line, "").await
    }

    /// With something on stdin.
    pub async fn run_with(&self, line: &str, input: &str) -> Output {
        let mut command = self.command(line);
        if !input.is_empty() {
            command.stdin(Stdio::piped());
        }
        let input = input.to_string();
        let run = move || {
            let mut child =
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kubectl starts");
            if let Some(mut stdin) = child.stdin.take() {
                stdin.write_all(input.as_bytes()).expect("kubectl reads");
            }
            child.wait_with_output().expect("kubectl ends")
        };
        tokio::task::spawn_blocking(run).await.expect("joined")
    }

    /// What it prints when it succeeds.
    pub async fn ok(&self, line: &str) -> String {
        self.ok_with(line, "").await
    }

    pub async fn ok_with(&self, line: &str, input: &str) -> String {
        let output = self.run_with(line, input).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {line}: {stderr}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// What it says when it fails.
    pub async fn fails(&self, line: &str) -> String {
        let output = self.run(line).await;
        assert!(!output.status.success(), "kubectl {line} succeeded");
        String::from_utf8(output.stderr).expect("text")
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("write a file");
        path
    }

    pub async fn stop(self) {
        self.bench.shutdown.cancel();
        self.bench.served.await.expect("the server ends");
    }
}
