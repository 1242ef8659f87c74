//! Small notations: Go durations, image references, host names.

pub(crate) mod go_json;
pub(crate) mod go_value;
pub(crate) mod quote;
pub(crate) mod url;

/// A duration as Go's `time.ParseDuration` reads it, in milliseconds.
pub fn go_duration_ms(text: &str) -> Result<u64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let unit_len = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let factor = match &rest[..unit_len] {
            "ns" => 1e-6,
            "us" | "µs" | "μs" => 1e-3,
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 60e3,
            "h" => 3600e3,
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            unit => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
        };
        total += number * factor;
        rest = &rest[unit_len..];
    }
    Ok(total as u64)
}

/// As Go writes a duration: `1h0m0s`, `30m0s`, `5s`, `1.5s`, `250ms`.
pub fn go_duration(ms: u64) -> String {
    if ms < 1000 {
        return if ms == 0 { "0s".to_owned() } else { format!("{ms}ms") };
    }
    let (hours, minutes, rest) = (ms / 3_600_000, ms / 60_000 % 60, ms % 60_000);
    let fraction = match rest % 1000 {
        0 => String::new(),
        part => format!(".{part:03}").trim_end_matches('0').to_owned(),
    };
    let seconds = format!("{}{fraction}s", rest / 1000);
    match (hours, minutes) {
        (0, 0) => seconds,
        (0, _) => format!("{minutes}m{seconds}"),
        _ => format!("{hours}h{minutes}m{seconds}"),
    }
}

/// A reference to an image, normalised as Docker does (`nginx` is `docker.io/library/nginx`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageRef {
    /// Registry and repository: `docker.io/library/nginx`.
    pub name: String,
    pub tag: Option<String>,
    pub digest: Option<String>,
}

impl ImageRef {
    pub fn parse(text: &str) -> Result<ImageRef, String> {
        const BAD: &str = "invalid reference format";
        const LONGEST_NAME: usize = 255;
        if text.is_empty() {
            return Err(BAD.to_owned());
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let hex = digest.split_once(':').map(|(_, hex)| hex).unwrap_or_default();
                if hex.len() < 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(BAD.to_owned());
                }
                (rest, Some(digest.to_owned()))
            }
            None => (text, None),
        };
        let (domain, path) = match rest.split_once('/') {
            Some((first, path))
                if first.contains(['.', ':'])
                    || first == "localhost"
                    || first.chars().any(|c| c.is_ascii_uppercase()) =>
            {
                (first, path.to_owned())
            }
            _ if rest.contains('/') => ("docker.io", rest.to_owned()),
            _ => ("docker.io", format!("library/{rest}")),
        };
        let domain = if domain == "index.docker.io" { "docker.io" } else { domain };
        let path = match path.contains('/') || domain != "docker.io" {
            true => path,
            false => format!("library/{path}"),
        };
        let (path, tag) = match path.split_once(':') {
            Some((path, tag)) => (path.to_owned(), Some(tag.to_owned())),
            None => (path, None),
        };
        if path.chars().any(char::is_uppercase) {
            return Err(format!("{BAD}: repository name ({path}) must be lowercase"));
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_tag = |tag: &String| {
            tag.starts_with(word) && tag.len() <= 128 && tag.chars().all(|c| word(c) || c == '.' || c == '-')
        };
        if !tag.as_ref().is_none_or(is_tag) || !path.split('/').all(is_path_component) {
            return Err(BAD.to_owned());
        }
        let name = format!("{domain}/{path}");
        if name.len() > LONGEST_NAME {
            return Err(format!("repository name must not be more than {LONGEST_NAME} characters"));
        }
        Ok(ImageRef { name, tag, digest })
    }

    /// The name as people write it, without `docker.io/library/`.
    pub fn familiar_name(&self) -> &str {
        self.name
            .strip_prefix("docker.io/library/")
            .or_else(|| self.name.strip_prefix("docker.io/"))
            .unwrap_or(&self.name)
    }

    /// As people write it, with tag and digest.
    pub fn familiar(&self) -> String {
        format!("{}{}", self.familiar_name(), self.suffix())
    }

    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        tag + &digest
    }
}

impl std::fmt::Display for ImageRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.name, self.suffix())
    }
}

fn is_path_component(part: &str) -> bool {
    let alnum = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(alnum)
        && part.ends_with(alnum)
        && part.chars().all(|c| alnum(c) || matches!(c, '.' | '_' | '-'))
        && !part.contains("..")
        && !part.contains("___")
        && !part.contains("._")
        && !part.contains("_.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        for (text, want) in [
            ("nginx", "docker.io/library/nginx"),
            ("nginx:1.2", "docker.io/library/nginx:1.2"),
            ("a/b", "docker.io/a/b"),
            ("localhost:5000/x/y:t", "localhost:5000/x/y:t"),
            (
                "codex-registry.localhost:5111/codex-backend:dev",
                "codex-registry.localhost:5111/codex-backend:dev",
            ),
            ("", "ERR"),
            ("Upper", "ERR"),
            ("a//b", "ERR"),
            ("a:ta g", "ERR"),
            ("ceci n'est pas une valid image ref", "ERR"),
        ] {
            let got = match ImageRef::parse(text) {
                Ok(r) => match r.tag {
                    Some(tag) => format!("{}:{tag}", r.name),
                    None => r.name,
                },
                Err(_) => "ERR".to_owned(),
            };
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(go_duration_ms("1m30s"), Ok(90_000));
        assert_eq!(go_duration_ms("1.5h"), Ok(5_400_000));
        assert_eq!(go_duration_ms("0"), Ok(0));
        for (ms, want) in [
            (0, "0s"),
            (250, "250ms"),
            (5000, "5s"),
            (1500, "1.5s"),
            (1_800_000, "30m0s"),
            (3_661_000, "1h1m1s"),
        ] {
            assert_eq!(go_duration(ms), want);
        }
        assert!(go_duration_ms("5").is_err());
        assert!(go_duration_ms("5x").is_err());
    }
}
