//! How a container ended, in the words of its status.

use crate::logs;
use crate::shared::Local;
use pod::Terminated;
use runtime::Exit;
use serde_json::Value;

const MOST_MESSAGE: usize = 4096;

pub(crate) fn terminated(
    local: &Local,
    pod: &Value,
    container: &str,
    id: &str,
    attempt: u32,
    exit: &Exit,
) -> Terminated {
    let not_started = exit.error.is_some() && (126..=128).contains(&exit.code);
    let reason = match exit.code {
        _ if not_started => "StartError",
        _ if exit.oom_killed => "OOMKilled",
        0 => "Completed",
        _ => "Error",
    };
    let message = match &exit.error {
        Some(error) => error.clone(),
        None => message(local, pod, container, attempt, exit.code),
    };
    Terminated {
        exit_code: exit.code,
        reason: reason.into(),
        message,
        started_at: exit.started_at.parse().ok(),
        finished_at: exit.finished_at.parse().unwrap_or_else(|_| jiff::Timestamp::now()),
        container_id: format!("coracle://{id}"),
    }
}

/// What the container wrote to its termination log, or, if it asks for that, its last log lines.
fn message(local: &Local, pod: &Value, container: &str, attempt: u32, code: i32) -> String {
    let bytes = std::fs::read(local.termination_log(container, attempt)).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST_MESSAGE)]).into_owned();
    let lists = ["containers", "initContainers"].into_iter();
    let spec = lists.flat_map(|list| crate::env::items(&pod["spec"][list])).find(|c| c["name"] == container);
    let falls_back = spec.is_some_and(|c| c["terminationMessagePolicy"] == "FallbackToLogsOnError");
    if text.is_empty() && code != 0 && falls_back {
        return logs::last_words(&local.log(container, attempt));
    }
    text
}
