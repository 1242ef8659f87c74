//! `podFailurePolicy` and `successPolicy`: what single pods mean for the whole Job.

use super::indexes::{self, Indexes};
use crate::access::{at, int_at, list_at, name, namespace, str_at};
use serde_json::Value;

/// What a failed pod means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It counts against the back-off limit.
    Count,
    /// It is replaced and does not count.
    Ignore,
    FailIndex,
    /// The Job ends; the message says why.
    FailJob(String),
}

/// The first rule that fits decides.
pub(super) fn of_failed_pod(job: &Value, pod: &Value) -> Verdict {
    for (index, rule) in list_at(job, &["spec", "podFailurePolicy", "rules"]).iter().enumerate() {
        let action = str_at(rule, &["action"]);
        let found = if rule.get("onExitCodes").is_some() {
            exit_code(at(rule, &["onExitCodes"]), pod).map(|(container, code)| {
                format!(
                    "Container {container} for pod {}/{} failed with exit code {code}",
                    namespace(pod),
                    name(pod)
                )
            })
        } else {
            condition(list_at(rule, &["onPodConditions"]), pod)
                .map(|kind| format!("Pod {}/{} has condition {kind}", namespace(pod), name(pod)))
        };
        let Some(found) = found else { continue };
        return match action {
            "FailJob" => Verdict::FailJob(format!("{found} matching FailJob rule at index {index}")),
            "FailIndex" => Verdict::FailIndex,
            "Ignore" => Verdict::Ignore,
            _ => Verdict::Count,
        };
    }
    Verdict::Count
}

/// The container whose exit code (never 0) the rule names.
fn exit_code<'a>(rule: &Value, pod: &'a Value) -> Option<(&'a str, i64)> {
    let lists = ["containerStatuses", "initContainerStatuses"].into_iter();
    lists.flat_map(|list| list_at(pod, &["status", list])).find_map(|container| {
        let code = int_at(container, &["state", "terminated", "exitCode"]).filter(|code| *code != 0)?;
        let wanted = str_at(rule, &["containerName"]);
        let among = list_at(rule, &["values"]).iter().any(|v| v.as_i64() == Some(code));
        let fits = if str_at(rule, &["operator"]) == "NotIn" { !among } else { among };
        let ours = wanted.is_empty() || wanted == str_at(container, &["name"]);
        (fits && ours).then(|| (str_at(container, &["name"]), code))
    })
}

/// The pod's first condition that one of the patterns names.
fn condition<'a>(patterns: &[Value], pod: &'a Value) -> Option<&'a str> {
    let status = |pattern: &Value| match str_at(pattern, &["status"]) {
        "" => "True".to_string(),
        status => status.to_string(),
    };
    list_at(pod, &["status", "conditions"])
        .iter()
        .find(|c| {
            let kind = str_at(c, &["type"]);
            patterns.iter().any(|p| str_at(p, &["type"]) == kind && status(p) == str_at(c, &["status"]))
        })
        .map(|c| str_at(c, &["type"]))
}

/// Which rule of the success policy the completed indexes fulfil.
pub(super) fn success_rule(job: &Value, completed: &Indexes, completions: i64) -> Option<usize> {
    if completed.is_empty() {
        return None;
    }
    list_at(job, &["spec", "successPolicy", "rules"]).iter().position(|rule| {
        let count = int_at(rule, &["succeededCount"]);
        let Some(text) = at(rule, &["succeededIndexes"]).as_str() else {
            return count.is_some_and(|count| completed.len() as i64 >= count);
        };
        let among = indexes::parse(text, completions);
        let done = among.intersection(completed).count();
        !among.is_empty() && (done == among.len() || count.is_some_and(|count| done as i64 >= count))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_failed_pod_means() {
        let job = json!({ "spec": { "podFailurePolicy": { "rules": [
            { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget" }] },
            { "action": "FailJob", "onExitCodes": { "containerName": "c", "operator": "In", "values": [42] } },
            { "action": "FailIndex", "onExitCodes": { "operator": "NotIn", "values": [1, 42] } },
        ] } } });
        let pod = |container: &str, code: i64, conditions: Value| {
            json!({ "metadata": { "name": "p", "namespace": "n" }, "status": {
                "conditions": conditions,
                "containerStatuses": [{ "name": container, "state": { "terminated": { "exitCode": code } } }] } })
        };
        let message = "Container c for pod n/p failed with exit code 42 matching FailJob rule at index 1";
        for (pod, want) in [
            (pod("c", 42, json!([])), Verdict::FailJob(message.into())),
            (pod("d", 42, json!([])), Verdict::Count),
            (pod("c", 1, json!([])), Verdict::Count),
            (pod("c", 2, json!([])), Verdict::FailIndex),
            (pod("c", 42, json!([{ "type": "DisruptionTarget", "status": "True" }])), Verdict::Ignore),
            (
                pod("c", 42, json!([{ "type": "DisruptionTarget", "status": "False" }])),
                Verdict::FailJob(message.into()),
            ),
        ] {
            assert_eq!(of_failed_pod(&job, &pod), want, "{pod}");
        }
    }

    #[test]
    fn when_success_is_enough() {
        let done = Indexes::from([0, 2]);
        for (rules, want) in [
            (json!([{ "succeededCount": 2 }]), Some(0)),
            (json!([{ "succeededCount": 3 }, { "succeededIndexes": "0,2" }]), Some(1)),
            (json!([{ "succeededIndexes": "0-2" }]), None),
            (json!([{ "succeededIndexes": "0-2", "succeededCount": 1 }]), Some(0)),
            (json!([]), None),
        ] {
            let job = json!({ "spec": { "successPolicy": { "rules": rules } } });
            assert_eq!(success_rule(&job, &done, 5), want, "{job}");
        }
    }
}
