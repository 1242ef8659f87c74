//! Readiness probes of local resources.

use crate::programs::Programs;
use rustix::process::Signal;
use std::path::PathBuf;
use std::time::Duration;
use tiltfile::plan::{Command, Probe, ProbeHandler};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Where nothing is said.
const PERIOD: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(1);
const SUCCESSES: u32 = 1;
const FAILURES: u32 = 3;
/// Until it is ready for the first time, if the Tiltfile names no period: somebody waits for it.
const EAGER: Duration = Duration::from_secs(1);

/// What changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Ready,
    /// And why.
    NotReady(String),
}

/// How a probe has answered so far.
#[derive(Debug)]
struct Tally {
    /// `None`: not known yet.
    ready: Option<bool>,
    successes: u32,
    failures: u32,
    enough: (u32, u32),
}

impl Tally {
    fn new(probe: &Probe) -> Self {
        let given =
            |number: i32, default: u32| u32::try_from(number).ok().filter(|n| *n > 0).unwrap_or(default);
        let enough = (given(probe.success_threshold, SUCCESSES), given(probe.failure_threshold, FAILURES));
        Self { ready: None, successes: 0, failures: 0, enough }
    }

    /// Takes an answer; tells if it changes the whole.
    fn note(&mut self, answer: Result<(), String>) -> Option<Reading> {
        let (reading, ready) = match answer {
            Ok(()) => {
                self.failures = 0;
                self.successes = self.successes.saturating_add(1);
                (Reading::Ready, self.successes >= self.enough.0)
            }
            Err(why) => {
                self.successes = 0;
                self.failures = self.failures.saturating_add(1);
                (Reading::NotReady(why), self.failures >= self.enough.1)
            }
        };
        let state = reading == Reading::Ready;
        (ready && self.ready.replace(state) != Some(state)).then_some(reading)
    }
}

/// A probe at work.
pub(crate) struct Prober {
    pub(crate) probe: Probe,
    /// Where commands run.
    pub(crate) dir: PathBuf,
    pub(crate) programs: Programs,
}

impl Prober {
    /// Asks again and again; `told` gets each change. Ends with the future, or when nobody listens.
    pub(crate) async fn run(&self, told: mpsc::Sender<Reading>) {
        let seconds = |given: i32| u64::try_from(given).ok().filter(|n| *n > 0).map(Duration::from_secs);
        let client = client();
        tokio::time::sleep(seconds(self.probe.initial_delay_secs).unwrap_or_default()).await;
        let timeout = seconds(self.probe.timeout_secs).unwrap_or(TIMEOUT);
        let period = seconds(self.probe.period_secs);
        let mut tally = Tally::new(&self.probe);
        let mut was_ready = false;
        loop {
            let next = tokio::time::Instant::now() + period.unwrap_or(if was_ready { PERIOD } else { EAGER });
            let asked = self.ask(&client, timeout);
            let answer = tokio::time::timeout(timeout, asked)
                .await
                .unwrap_or_else(|_| Err(format!("no answer in {timeout:?}")));
            if let Some(reading) = tally.note(answer) {
                was_ready |= reading == Reading::Ready;
                if told.send(reading).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep_until(next).await;
        }
    }

    async fn ask(&self, client: &Result<reqwest::Client, String>, timeout: Duration) -> Result<(), String> {
        match &self.probe.handler {
            ProbeHandler::Exec { command } => self.exec(command).await,
            ProbeHandler::TcpSocket { host, port } => {
                let port = u16::try_from(*port).map_err(|e| format!("port {port}: {e}"))?;
                let host = host_or_here(host);
                let connected = TcpStream::connect((host, port)).await;
                connected.map(drop).map_err(|e| format!("{host}:{port}: {e}"))
            }
            ProbeHandler::HttpGet { host, port, scheme, path } => {
                let url = url(host, *port, scheme, path);
                let answer = client.as_ref()?.get(&url).timeout(timeout).send().await;
                let status = answer.map_err(|e| told_by(&e.without_url(), &url))?.status();
                let good = (200..400).contains(&status.as_u16());
                if good { Ok(()) } else { Err(format!("{url} answers with {status}")) }
            }
        }
    }

    async fn exec(&self, words: &[String]) -> Result<(), String> {
        let command = Command { argv: words.to_vec(), dir: self.dir.clone(), env: Vec::new() };
        let mut running = self.programs.start(&command)?;
        let (out, err) = (running.child.stdout.take(), running.child.stderr.take());
        let (mut text, mut more) = (Vec::new(), Vec::new());
        let read = async {
            if let Some(mut out) = out {
                let _ = out.read_to_end(&mut text).await;
            }
        };
        let read_more = async {
            if let Some(mut err) = err {
                let _ = err.read_to_end(&mut more).await;
            }
        };
        // if time is up, the group goes with `running`
        let status = tokio::join!(running.child.wait(), read, read_more).0.map_err(|e| e.to_string())?;
        running.ended();
        if status.success() {
            return Ok(());
        }
        text.extend(more);
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        let code = crate::process::exit_code(status);
        let killed = if code == 128 + Signal::KILL.as_raw() { " (killed)" } else { "" };
        let what = format!("`{}` exits with {code}{killed}", words.join(" "));
        Err(if text.is_empty() { what } else { format!("{what}: {text}") })
    }
}

fn host_or_here(host: &str) -> &str {
    if host.is_empty() { "localhost" } else { host }
}

fn url(host: &str, port: i32, scheme: &str, path: &str) -> String {
    let scheme = if scheme.is_empty() { "http".to_owned() } else { scheme.to_lowercase() };
    let host = host_or_here(host);
    let host =
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    format!("{scheme}://{host}:{port}/{}", path.trim_start_matches('/'))
}

/// As the kubelet asks: past proxies, any certificate, redirects only on the same host.
fn client() -> Result<reqwest::Client, String> {
    // The process may have set a provider itself, which is as good.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let same_host = reqwest::redirect::Policy::custom(|attempt| {
        let host = |url: &reqwest::Url| url.host_str().map(str::to_owned);
        let stays = attempt.previous().last().is_some_and(|from| host(from) == host(attempt.url()));
        if stays && attempt.previous().len() < 10 { attempt.follow() } else { attempt.stop() }
    });
    reqwest::Client::builder()
        .no_proxy()
        .tls_danger_accept_invalid_certs(true)
        .redirect(same_host)
        .build()
        .map_err(|e| e.to_string())
}

fn told_by(error: &reqwest::Error, url: &str) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    format!("{url}: {cause}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn probe(handler: ProbeHandler) -> Probe {
        Probe {
            handler,
            initial_delay_secs: 0,
            timeout_secs: 0,
            period_secs: 0,
            success_threshold: 0,
            failure_threshold: 0,
        }
    }

    /// The first change that a probe tells.
    async fn first(handler: ProbeHandler, dir: &std::path::Path) -> Reading {
        let probe = Probe { failure_threshold: 1, ..probe(handler) };
        let prober = Prober { probe, dir: dir.to_owned(), programs: Programs::default() };
        let (tell, mut told) = tokio::sync::mpsc::channel(1);
        tokio::select! {
            () = prober.run(tell) => panic!("it ended"),
            reading = told.recv() => reading.expect("a reading"),
        }
    }

    #[test]
    fn thresholds() {
        let handler = || ProbeHandler::Exec { command: Vec::new() };
        let bad = || Err("no".to_owned());
        let no = || Some(Reading::NotReady("no".into()));
        let mut tally = Tally::new(&probe(handler()));
        assert_eq!([tally.note(bad()), tally.note(bad())], [None, None]);
        assert_eq!([tally.note(bad()), tally.note(bad())], [no(), None]);
        assert_eq!([tally.note(Ok(())), tally.note(Ok(()))], [Some(Reading::Ready), None]);
        assert_eq!([tally.note(bad()), tally.note(bad()), tally.note(Ok(()))], [None, None, None]);
        assert_eq!([tally.note(bad()), tally.note(bad()), tally.note(bad())], [None, None, no()]);
        let mut tally = Tally::new(&Probe { success_threshold: 2, failure_threshold: 1, ..probe(handler()) });
        assert_eq!([tally.note(Ok(())), tally.note(Ok(()))], [None, Some(Reading::Ready)]);
        assert_eq!(tally.note(bad()), no());
    }

    #[tokio::test]
    async fn commands() {
        let scratch = tempfile::tempdir().expect("a folder");
        let exec =
            |script: &str| ProbeHandler::Exec { command: ["sh", "-c", script].map(str::to_owned).to_vec() };
        std::fs::write(scratch.path().join("here"), "").expect("a file");
        assert_eq!(first(exec("test -f here"), scratch.path()).await, Reading::Ready);
        let Reading::NotReady(why) = first(exec("echo not yet; exit 4"), scratch.path()).await else {
            panic!("it fails")
        };
        assert!(why.ends_with("exits with 4: not yet"), "{why}");
        let Reading::NotReady(why) = first(exec("exec sleep 60"), scratch.path()).await else {
            panic!("it fails")
        };
        assert_eq!(why, "no answer in 1s");
    }

    #[tokio::test]
    async fn sockets_and_pages() {
        let dir = std::path::Path::new("/");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = i32::from(listener.local_addr().expect("an address").port());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = [0; 1024];
                let length = stream.read(&mut request).unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let answer = match request.split(' ').nth(1) {
                    Some("/ready") => "200 OK",
                    Some("/moved") => "302 Found\r\nlocation: /broken",
                    Some("/away") => "302 Found\r\nlocation: http://elsewhere.invalid/",
                    _ => "503 Service Unavailable",
                };
                let _ = stream.write_all(
                    format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes(),
                );
            }
        });
        let get = |path: &str| ProbeHandler::HttpGet {
            host: "127.0.0.1".into(),
            port,
            scheme: String::new(),
            path: path.into(),
        };
        for (handler, ready) in [
            (get("/ready"), true),
            (get("ready"), true),
            (get("/broken"), false),
            (get("/moved"), false),
            (get("/away"), true),
            (ProbeHandler::TcpSocket { host: "127.0.0.1".into(), port }, true),
            (ProbeHandler::TcpSocket { host: "127.0.0.1".into(), port: 70_000 }, false),
        ] {
            let reading = first(handler.clone(), dir).await;
            assert_eq!(reading == Reading::Ready, ready, "{handler:?}: {reading:?}");
        }
        assert_eq!(url("::1", 80, "HTTPS", ""), "https://[::1]:80/");
    }
}
