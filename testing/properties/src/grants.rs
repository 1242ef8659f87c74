//! Roles: what may be granted is what is held.

use crate::values::Bytes;
use access::escalation::uncovered;
use access::{Attributes, Decision, Rule, Rules, User};
use serde_json::{Value, json};
use store::Fixture;

const VERBS: [&str; 4] = ["get", "list", "delete", "*"];
const GROUPS: [&str; 3] = ["", "apps", "*"];
const RESOURCES: [&str; 6] = ["pods", "pods/log", "*/log", "deployments", "deployments/log", "*"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const PATHS: [&str; 5] = ["/x", "/x/*", "/x/y", "/*", "*"];

/// Whoever may grant some rules holds all that they allow; whoever may not is told of something that they lack.
pub fn grants(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let mut rules = |most: usize| -> Vec<Rule> {
        let count = bytes.below(most);
        (0..count).map(|_| rule(&mut bytes)).collect()
    };
    let (held, wanted) = (rules(5), rules(4));
    let missing = uncovered(&held, &wanted);
    let (holder, receiver) = (decider(&held), decider(&wanted));
    let mut lacks = false;
    for asked in questions() {
        if receiver(&asked) && !holder(&asked) {
            lacks = true;
            assert!(!missing.is_empty(), "{held:?} may grant {wanted:?}, which allows {asked:?}");
        }
    }
    // A star is more than all that is listed here, so there may be something missing that no question shows.
    let plain = |rule: &Rule| !format!("{rule:?}").contains('*');
    assert!(lacks || missing.is_empty() || !missing.iter().all(plain), "{held:?} holds {wanted:?}");
}

fn rule(bytes: &mut Bytes<'_>) -> Rule {
    let mut some = |words: &[&str]| -> Vec<String> {
        let count = 1 + bytes.below(2);
        (0..count).map(|_| words[bytes.below(words.len())].to_string()).collect()
    };
    let verbs = some(&VERBS);
    let (api_groups, resources, names, paths) = (some(&GROUPS), some(&RESOURCES), some(&NAMES), some(&PATHS));
    match bytes.below(4) {
        0 => Rule { verbs, non_resource_urls: paths, ..Rule::default() },
        1 => Rule { verbs, api_groups, resources, resource_names: names, ..Rule::default() },
        _ => Rule { verbs, api_groups, resources, ..Rule::default() },
    }
}

/// Somebody who has these rules everywhere.
fn decider(rules: &[Rule]) -> impl Fn(&Attributes<'_>) -> bool {
    let mut world = Fixture::default();
    let rules: Vec<Value> = rules.iter().map(Rule::write).collect();
    world.put(access::RESOURCES[0], json!({ "metadata": { "name": "r" }, "rules": rules }));
    let subject = json!({ "kind": "User", "name": "u" });
    let binding = json!({ "metadata": { "name": "b" }, "roleRef": { "kind": "ClusterRole", "name": "r" }, "subjects": [subject] });
    world.put(access::RESOURCES[1], binding);
    let rules = Rules::read(&world);
    let user = User { name: "u".into(), ..User::default() };
    move |asked| matches!(rules.decide(&user, asked), Decision::Allowed { .. })
}

fn questions() -> Vec<Attributes<'static>> {
    let mut questions = Vec::new();
    for verb in ["get", "list", "delete", "other"] {
        for group in ["", "apps", "other"] {
            for resource in ["pods", "pods/log", "deployments", "deployments/log", "other", "other/log"] {
                for name in ["a", "b", "c", "other", ""] {
                    questions.push(Attributes { verb, namespace: "n", group, resource, name, path: "" });
                }
            }
        }
        for path in ["/x", "/x/", "/x/y", "/x/z", "/other"] {
            questions.push(Attributes { verb, namespace: "", group: "", resource: "", name: "", path });
        }
    }
    questions
}
