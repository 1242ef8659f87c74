//! Rules that are too expensive, as upstream refuses them: by what they may cost, before there is an object.

use super::Cause;

/// Of one rule, and of all that a version has.
const MOST_OF_RULE: u64 = 10_000_000;
const MOST_OF_ALL: u64 = 100_000_000;
/// How many of the most expensive rules are named, of those that count.
const NAMED: usize = 4;
const COUNTS: u64 = MOST_OF_ALL / 100;

/// What all rules of a version may cost.
#[derive(Default)]
pub(super) struct Total {
    sum: u64,
    /// The most expensive come first.
    expensive: Vec<(String, u64)>,
}

impl Total {
    /// Counts an expression; says whether it is too expensive by itself.
    pub(super) fn add(&mut self, path: &str, name: &str, cost: u64) -> Option<Cause> {
        self.sum = self.sum.saturating_add(cost);
        if cost >= COUNTS {
            self.expensive.push((path.to_string(), cost));
            self.expensive.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
            self.expensive.truncate(NAMED);
        }
        (cost > MOST_OF_RULE).then(|| forbidden(path, exceeds(name, cost, MOST_OF_RULE)))
    }

    /// What is wrong with all of them together.
    pub(super) fn problems(self, path: &str) -> Vec<Cause> {
        if self.sum <= MOST_OF_ALL {
            return Vec::new();
        }
        const PART: &str =
            "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
        let name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        let all = forbidden(path, exceeds(name, self.sum, MOST_OF_ALL));
        self.expensive.iter().map(|(path, _)| forbidden(path, PART.into())).chain([all]).collect()
    }
}

fn forbidden(path: &str, detail: String) -> Cause {
    (path.to_string(), "FieldValueForbidden".into(), format!("Forbidden: {detail}"))
}

fn exceeds(name: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = match factor {
        _ if factor > 100.0 => "more than 100x".to_string(),
        _ if factor < 1.5 => format!("{factor:.6}x"),
        _ => format!("{factor:.1}x"),
    };
    format!(
        "{name} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

#[cfg(test)]
mod tests;
