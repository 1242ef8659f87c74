//! Requests and what they are answered, in order, on one server: `requests.txt` has both. The answers were compared with those
//! of a kube-apiserver where its words do not depend on its insides.

use api::{Api, ApiConfig};
use apiserver::{Options, Server};
use axum::body::Body;
use expect_test::expect_file;
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// `METHOD PATH [MEDIA] [BODY]`; the media type is JSON's if none is given.
async fn answer(router: &axum::Router, line: &str) -> String {
    let mut parts = line.splitn(3, ' ');
    let (method, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let rest = parts.next().unwrap_or_default();
    let (media, body) = match rest.split_once(' ') {
        Some((media, body)) if media.contains('/') && !media.starts_with(['{', '[']) => (media, body),
        _ => ("application/json", rest),
    };
    let request = Request::builder().method(method).uri(path).header("Content-Type", media);
    let request = request.body(Body::from(body.to_string())).expect("a request");
    let answer = router.clone().oneshot(request).await.expect("infallible");
    let (code, warnings) = (answer.status().as_u16(), answer.headers().get_all("warning").iter());
    let warnings: Vec<String> =
        warnings.map(|warning| format!("\n  {}", warning.to_str().expect("text"))).collect();
    let bytes = answer.into_body().collect().await.expect("infallible").to_bytes();
    let text = String::from_utf8_lossy(&bytes).trim_end().to_string();
    let said = match serde_json::from_str::<Value>(&text) {
        Ok(object) if object["kind"] == "Status" => {
            let words =
                ["reason", "message"].map(|field| object[field].as_str().unwrap_or_default().to_string());
            [object["status"].as_str().unwrap_or_default(), &words[0], &words[1]].join(" ").trim().to_string()
        }
        Ok(object) => format!("{} {}", object["kind"].as_str().unwrap_or("-"), object["metadata"]["name"]),
        Err(_) => text,
    };
    without_chance(&masked(&format!("{code} {said}{}", warnings.join("")), "Gen_"))
}

/// Uids and times are by chance too, where an object is told whole.
fn without_chance(text: &str) -> String {
    let mut out = text.to_string();
    for (field, length) in [("uid", 36), ("creationTimestamp", 20), ("time", 20)] {
        let quoted = format!("\\\"{field}\\\":\\\"");
        let mut from = 0;
        while let Some(at) = out[from..].find(&quoted) {
            let start = from + at + quoted.len();
            out.replace_range(start..start + length, "*");
            from = start;
        }
    }
    out
}

/// Five letters behind each `prefix` are by chance.
fn masked(text: &str, prefix: &str) -> String {
    let mut parts = text.split(prefix);
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let chance = part.chars().take_while(char::is_ascii_alphanumeric).count() == 5;
        out.push_str(prefix);
        out.push_str(if chance { "*****" } else { "" });
        out.push_str(if chance { &part[5..] } else { part });
    }
    out
}

#[tokio::test]
async fn answers_are_those_of_kubernetes() {
    let dir = tempfile::tempdir().expect("tempdir");
    let config = ApiConfig {
        dir: dir.path().into(),
        service_cidr: "10.43.0.0/16".into(),
        cluster_domain: "cluster.local".into(),
    };
    let api = Api::open(config).expect("open");
    let router = Server::new(api, Options::default()).router();
    let mut out = String::new();
    for line in include_str!("requests.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        } else if let Some(request) = line.strip_prefix("> ") {
            out.push_str(&format!("{line}\n{}\n", answer(&router, request).await));
        }
    }
    expect_file!["requests.txt"].assert_eq(&out);
}
