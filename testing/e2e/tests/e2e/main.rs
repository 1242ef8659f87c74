//! The scenarios. `cargo test -p e2e --test e2e -- NAME` runs those whose names contain NAME, on the binary that was
//! built last (or on `CORACLE_BIN`).

mod adoption;
mod clients;
mod clients_rust;
mod codex;
mod crash;
mod hello;
mod kubectl;
mod mistakes;
mod plan;
mod project;
mod registry;
mod restart;
mod session;
mod storm;
mod webhooks;

use e2e::runner::Need::{File, Program, Root};
use e2e::runner::{Scenario, main as run};

fn main() -> std::process::ExitCode {
    run(&[
        Scenario { name: "mistakes", needs: &[Root, Program("busybox")], run: mistakes::run },
        Scenario { name: "hello", needs: &[Root, Program("make"), Program("kubectl")], run: hello::run },
        Scenario {
            name: "kubectl",
            needs: &[Root, Program("kubectl"), Program("busybox")],
            run: kubectl::run,
        },
        Scenario {
            name: "clients",
            needs: &[Root, Program("kubectl"), Program("busybox")],
            run: clients::run,
        },
        Scenario {
            name: "adoption",
            needs: &[Root, Program("kubectl"), Program("busybox")],
            run: adoption::run,
        },
        Scenario { name: "crash", needs: &[Root, Program("kubectl")], run: crash::run },
        Scenario {
            name: "restart",
            needs: &[Root, Program("kubectl"), Program("busybox")],
            run: restart::run,
        },
        Scenario {
            name: "session",
            needs: &[Root, Program("kubectl"), Program("busybox")],
            run: session::run,
        },
        Scenario { name: "storm", needs: &[Root, Program("kubectl"), Program("busybox")], run: storm::run },
        Scenario {
            name: "webhooks",
            needs: &[Root, Program("kubectl"), Program("busybox"), Program("python3"), Program("openssl")],
            run: webhooks::run,
        },
        Scenario {
            name: "registry",
            needs: &[Root, Program("kubectl"), Program("busybox"), Program("skopeo")],
            run: registry::run,
        },
        Scenario {
            name: "plan",
            needs: &[
                Root,
                Program("kubectl"),
                Program("busybox"),
                Program("make"),
                Program("python3"),
                File(plan::FILE),
            ],
            run: plan::run,
        },
        Scenario {
            name: "codex",
            needs: &[Root, Program("kubectl"), Program("make"), Program("mmdebstrap"), Program("npm")],
            run: codex::run,
        },
    ])
}
