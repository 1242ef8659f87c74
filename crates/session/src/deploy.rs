//! Deploys by command (`k8s_custom_deploy`): what it prints are the objects that it applied.

use crate::output::{LogSource, Output};
use crate::process::exit_code;
use crate::programs::{Programs, copy, shown};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tiltfile::plan::Command;
use tokio::io::AsyncReadExt;

/// How much of a long output is told when it is wrong.
const SHOWN: usize = 500;

/// The deploy of one resource.
pub(crate) struct Deploy<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) output: &'a Arc<dyn Output>,
    pub(crate) resource: &'a str,
    /// `update_settings(k8s_upsert_timeout_secs=)`
    pub(crate) limit: Duration,
}

impl Deploy<'_> {
    /// Runs the command with the images as `TILT_IMAGE_0`, …; gives the objects that it says are in the cluster now.
    pub(crate) async fn run(
        &self,
        mut command: Command,
        images: &[(String, String)],
    ) -> Result<Vec<Value>, String> {
        command.env.extend(image_variables(images));
        self.log(&format!("Running cmd: {}\n", shown(&command)));
        let text = self.stdout_of(&command).await?;
        let objects = tiltfile::parse_objects(&text).map_err(|error| {
            format!("apply command returned malformed YAML: {error}\nstdout:\n{}\n", shortened(&text))
        })?;
        if !objects.is_empty() {
            self.log("Objects applied to cluster:\n");
        }
        for object in &objects {
            let text = |field: &Value| field.as_str().unwrap_or_default().to_lowercase();
            self.log(&format!("  → {}:{}\n", text(&object["metadata"]["name"]), text(&object["kind"])));
        }
        Ok(objects)
    }

    fn log(&self, text: &str) {
        self.output.log(self.resource, LogSource::Build, text);
    }

    async fn stdout_of(&self, command: &Command) -> Result<String, String> {
        let failed = |error: String| format!("apply command failed: {error}");
        let mut running = self.programs.start(command).map_err(failed)?;
        let (mut out, err) = (running.child.stdout.take(), running.child.stderr.take());
        let (mut stdout, stop) = (Vec::new(), running.stop.clone());
        let ended = {
            let read = async {
                match &mut out {
                    Some(out) => out.read_to_end(&mut stdout).await.map(drop),
                    None => Ok(()),
                }
            };
            let told = copy(self.output, self.resource, LogSource::Build, err);
            let all = async { tokio::join!(running.child.wait(), read, told).0 };
            stop.run_until_cancelled(tokio::time::timeout(self.limit, all)).await
        };
        let text = String::from_utf8_lossy(&stdout).into_owned();
        let printed =
            if text.is_empty() { String::new() } else { format!("\nstdout:\n{}\n", shortened(&text)) };
        match ended {
            Some(Ok(status)) => {
                running.ended();
                match status.map(exit_code).map_err(|e| failed(e.to_string()))? {
                    0 => Ok(text),
                    code => Err(format!("apply command exited with status {code}{printed}")),
                }
            }
            Some(Err(_)) => {
                running.end().await;
                Err(format!(
                    "apply command timed out after {} - see https://docs.tilt.dev/api.html#api.update_settings for how to increase{printed}",
                    in_gos_words(self.limit)
                ))
            }
            None => {
                running.end().await;
                Err("it was stopped".into())
            }
        }
    }
}

/// How a command finds the images that it depends on: as written, and as built.
pub(crate) fn image_variables(images: &[(String, String)]) -> impl Iterator<Item = (String, String)> {
    images.iter().enumerate().flat_map(|(index, (name, reference))| {
        [
            (format!("TILT_IMAGE_MAP_{index}"), name.clone()),
            (format!("TILT_IMAGE_{index}"), reference.clone()),
        ]
    })
}

/// The beginning and the end of a long text.
fn shortened(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    let (head, tail) = (text.floor_char_boundary(SHOWN / 2), text.ceil_char_boundary(text.len() - SHOWN / 2));
    format!("{}\n... [truncated by Tilt] ...\n{}", &text[..head], &text[tail..])
}

/// `30s`, `1m0s`, `177.134ms`: as Go writes durations, to the microsecond.
pub(crate) fn in_gos_words(time: Duration) -> String {
    let fraction = |whole: u128, part: u128, digits: usize, unit: &str| {
        let part = format!("{part:0digits$}");
        let part = part.trim_end_matches('0');
        if part.is_empty() { format!("{whole}{unit}") } else { format!("{whole}.{part}{unit}") }
    };
    let micros = time.as_micros();
    if micros < 1_000 {
        return format!("{micros}µs");
    }
    if micros < 1_000_000 {
        return fraction(micros / 1_000, micros % 1_000, 3, "ms");
    }
    let (minutes, rest) = (micros / 60_000_000, micros % 60_000_000);
    let seconds = fraction(rest / 1_000_000, rest % 1_000_000, 6, "s");
    match (minutes / 60, minutes % 60) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Collector, shell};
    use expect_test::{Expect, expect};

    async fn deployed(script: &str, limit: Duration) -> (Result<Vec<Value>, String>, Vec<String>) {
        let collector = Collector::new();
        let (programs, output) = (Programs::default(), collector.output());
        let deploy = Deploy { programs: &programs, output: &output, resource: "db", limit };
        let images = [("app".to_owned(), "app:tilt-1".to_owned())];
        let result = deploy.run(shell(script), &images).await;
        (result, collector.logged())
    }

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn the_objects_that_it_printed() {
        let script = r#"echo "deploying $TILT_IMAGE_MAP_0" >&2
            printf 'apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: db, labels: {i: "%s"}}}\n' $TILT_IMAGE_0
            printf -- '---\napiVersion: v1\nkind: Service\nmetadata: {name: db}\n'"#;
        let (result, logs) = deployed(script, LIMIT).await;
        let objects = result.expect("it is well");
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0]["metadata"]["labels"]["i"], "app:tilt-1");
        assert_eq!(
            logs[1..],
            ["deploying app\n", "Objects applied to cluster:\n", "  → db:pod\n", "  → db:service\n"]
        );
        // it need not print anything
        assert_eq!(deployed("true", LIMIT).await.0, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn failures() {
        let cases: &[(&str, Duration, Expect)] = &[
            ("exit 3", LIMIT, expect!["apply command exited with status 3"]),
            (
                "echo half; exit 1",
                LIMIT,
                expect![[r#"
                    apply command exited with status 1
                    stdout:
                    half

                "#]],
            ),
            (
                "echo 'a: [1'",
                LIMIT,
                expect![[r#"
                apply command returned malformed YAML: error converting YAML to JSON: yaml: line 1: did not find expected ',' or ']'
                stdout:
                a: [1

            "#]],
            ),
            (
                "echo 'a: 1'",
                LIMIT,
                expect![[r#"
                apply command returned malformed YAML: Object 'Kind' is missing in '{"a":1}'
                stdout:
                a: 1

            "#]],
            ),
            (
                "echo half; exec sleep 60",
                Duration::from_millis(500),
                expect![[r#"
                apply command timed out after 500ms - see https://docs.tilt.dev/api.html#api.update_settings for how to increase
                stdout:
                half

            "#]],
            ),
        ];
        for (script, limit, want) in cases {
            want.assert_eq(&deployed(script, *limit).await.0.expect_err(script));
        }
    }

    #[test]
    fn long_output_is_shortened() {
        let text = "ä".repeat(400);
        let short = shortened(&text);
        assert!(short.contains("\n... [truncated by Tilt] ...\n"), "{short}");
        assert_eq!(short.chars().filter(|c| *c == 'ä').count(), 250);
        assert_eq!(shortened("abc"), "abc");
    }

    #[test]
    fn durations() {
        for (micros, want) in [
            (0, "0µs"),
            (30_000_000, "30s"),
            (90_000_000, "1m30s"),
            (3_600_000_000, "1h0m0s"),
            (177_134, "177.134ms"),
            (1_990, "1.99ms"),
            (1_500_000, "1.5s"),
        ] {
            assert_eq!(in_gos_words(Duration::from_micros(micros)), want);
        }
    }
}
