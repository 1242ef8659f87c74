//! What usually helps when a step fails in a way that is known.

/// A remedy for a failed command, from its exit code and what it printed last.
pub(crate) fn hint(code: i32, oom_killed: bool, lines: &[String]) -> Option<String> {
    if oom_killed || code == 137 {
        return Some(
            "it was killed, most likely because memory ran out; run fewer things at once in this step".into(),
        );
    }
    let text = lines.join("\n");
    let says = |needle: &str| text.contains(needle);
    if code == 127 || says("not found") && code == 126 {
        let name = missing_program(lines).unwrap_or("the program");
        return Some(match name {
            "pip" | "pip3" => {
                "the base image has no pip: use a python image, or install python3-pip first".into()
            }
            "npm" | "npx" | "pnpm" | "yarn" => {
                format!(
                    "the base image has no {name}: use a node image (pnpm and yarn: corepack enable, or npm install -g {name})"
                )
            }
            "apk" | "apt-get" | "dnf" | "yum" => format!("the base image's distribution does not use {name}"),
            other => {
                format!("{other} is not in the image, or not on its PATH: install it in an earlier step")
            }
        });
    }
    if says("externally-managed-environment") {
        return Some(
            "this python belongs to the distribution: pip install --break-system-packages, or use a venv"
                .into(),
        );
    }
    if says("CERTIFICATE_VERIFY_FAILED")
        || says("certificate verify failed")
        || says("SELF_SIGNED_CERT")
        || says("unable to get local issuer certificate")
    {
        return Some("the image does not trust the network's certificates: leave host trust on (builds get this machine's CA bundle)".into());
    }
    if [
        "Could not resolve host",
        "Temporary failure in name resolution",
        "Temporary failure resolving",
        "EAI_AGAIN",
        "Name or service not known",
    ]
    .iter()
    .any(|needle| says(needle))
    {
        return Some(
            "a name could not be resolved: is this machine online? Steps use its own resolv.conf".into(),
        );
    }
    if ["Connection refused", "ECONNREFUSED", "Network is unreachable", "Connection timed out", "ETIMEDOUT"]
        .iter()
        .any(|needle| says(needle))
    {
        return Some(
            "a server could not be reached; steps have this machine's network and proxy settings".into(),
        );
    }
    if says("No space left on device") || says("ENOSPC") {
        return Some("the disk is full: coracle image prune removes what no image needs".into());
    }
    if says("ERR_PNPM_OUTDATED_LOCKFILE") || says("npm ci` can only install") {
        return Some("the lock file does not match package.json: run the package manager's install here and commit the lock file".into());
    }
    if code == 126 || says("Permission denied") {
        return Some("something is not executable or not readable for the step's user: check COPY --chmod, --chown and USER".into());
    }
    None
}

/// `/bin/sh: 1: pip: not found`, `bash: pip: command not found`, `exec pip: …`.
fn missing_program(lines: &[String]) -> Option<&str> {
    lines.iter().rev().find_map(|line| {
        let rest = line.strip_suffix(": not found").or_else(|| line.strip_suffix(": command not found"));
        let started = line.strip_prefix("exec: ").or_else(|| line.strip_prefix("exec "));
        let rest = rest.or_else(|| started.and_then(|rest| rest.split(':').next()))?;
        let name = rest.rsplit(": ").next()?.trim_matches('"');
        Some(name.rsplit('/').next().unwrap_or(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(code: i32, output: &str, expect: Expect) {
        let lines: Vec<String> = output.lines().map(str::to_owned).collect();
        expect.assert_eq(&hint(code, false, &lines).unwrap_or_else(|| "none".into()));
    }

    #[test]
    fn hints() {
        check(
            127,
            "/bin/sh: 1: pip: not found",
            expect!["the base image has no pip: use a python image, or install python3-pip first"],
        );
        check(
            127,
            "bash: line 1: make: command not found",
            expect!["make is not in the image, or not on its PATH: install it in an earlier step"],
        );
        check(
            1,
            "npm error code EAI_AGAIN",
            expect!["a name could not be resolved: is this machine online? Steps use its own resolv.conf"],
        );
        check(
            137,
            "",
            expect![
                "it was killed, most likely because memory ran out; run fewer things at once in this step"
            ],
        );
        check(1, "assertion failed", expect!["none"]);
    }
}
