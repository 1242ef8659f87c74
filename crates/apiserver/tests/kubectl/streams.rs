//! exec, logs and port-forward in every wire form that kubectl speaks.

use crate::Kubectl;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},
    "spec":{"containers":[{"name":"c","image":"i"}]}}"#;

async fn with_pod() -> Option<Kubectl> {
    let kubectl = Kubectl::start().await?;
    kubectl.ok_with("create --validate=false -f -", POD).await;
    kubectl.ok(r#"patch pod p --subresource=status --type=merge -p '{"status":{"phase":"Running"}}'"#).await;
    Some(kubectl)
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_over_websocket_and_spdy() {
    let Some(kubectl) = with_pod().await else { return };
    for websockets in ["true", "false"] {
        let mut command = kubectl.command("exec p -- sh -c 'echo out; echo err >&2; exit 3'");
        let output = tokio::task::spawn_blocking(move || {
            command.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets).output().expect("kubectl runs")
        });
        let output = output.await.expect("joined");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "out\n", "websockets: {websockets}");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "err\ncommand terminated with exit code 3\n",
            "websockets: {websockets}"
        );
        assert_eq!(output.status.code(), Some(3));
    }
    assert_eq!(kubectl.ok_with("exec -i p -- cat", "typed").await, "typed");
    let much = "0123456789".repeat(50_000);
    assert_eq!(kubectl.ok_with("exec -i p -- cat", &much).await.len(), much.len());
    assert!(kubectl.fails("exec p -c nope -- true").await.contains("container nope"), "an unknown container");
    kubectl.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_and_attach() {
    let Some(kubectl) = with_pod().await else { return };
    assert_eq!(kubectl.ok("logs p").await, "line 1 of c\nline 2 of c\nline 3 of c\n");
    assert_eq!(kubectl.ok("logs p --tail=1 -f").await, "line 1 of c\n");
    assert_eq!(kubectl.ok("attach p").await, "attached\n");
    kubectl.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn port_forward_over_tunnel_and_spdy() {
    let Some(kubectl) = with_pod().await else { return };
    for websockets in ["true", "false"] {
        let mut command = kubectl.command("port-forward pod/p :7 --address 127.0.0.1");
        let mut child = command
            .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets)
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let stdout = child.stdout.take().expect("piped");
        let echo = move || {
            let mut line = String::new();
            // kubectl dies when nobody reads what it prints: the pipe stays open to the end.
            let mut stdout = BufReader::new(stdout);
            stdout.read_line(&mut line).expect("a line");
            let address = line.split_whitespace().nth(2).expect("an address").to_string();
            for round in 0..3 {
                let mut connection = TcpStream::connect(&address).expect("connect");
                let sent = vec![round; 300_000];
                let mut writer = connection.try_clone().expect("clone");
                let thread = std::thread::spawn(move || writer.write_all(&sent).expect("send"));
                let mut got = vec![9; 300_000];
                connection.read_exact(&mut got).expect("echoed");
                assert!(got.iter().all(|byte| *byte == round), "websockets: {websockets}");
                thread.join().expect("sent");
            }
            drop(stdout);
        };
        tokio::task::spawn_blocking(echo).await.expect("echoed");
        child.kill().expect("kill kubectl");
        child.wait().expect("kubectl ends");
    }
    kubectl.stop().await;
}
