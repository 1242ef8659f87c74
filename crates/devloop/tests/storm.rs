//! After any storm of edits the tree in every container is the source tree.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use support::{World, docker_image, k8s, run_on, sync};
use tiltfile::plan::{Plan, Step};

/// A small generator of numbers; the seed is the test's name.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

const DIRS: [&str; 6] =
    ["/p/app/src", "/p/app/src/a", "/p/app/src/a/b", "/p/app/assets", "/p/app", "/p/app/src/c"];
const NAMES: [&str; 4] = ["x", "y", "z.log", "Makefile"];

fn plan() -> Plan {
    let mut plan = Plan::default();
    let steps = || {
        vec![
            Step::FallBackOn(vec!["/p/app/src/a/Makefile".into()]),
            sync("/p/app/src", "/app/src"),
            sync("/p/app/assets", "/www"),
            run_on("touch", ""),
        ]
    };
    plan.images.push(docker_image("reg:5111/app", "/p/app", steps()));
    plan.images.push(docker_image("reg:5111/plain", "/p/app", vec![]));
    plan.resources.push(k8s("app", &plan, "reg:5111/app", vec![]));
    plan.resources.push(k8s("again", &plan, "reg:5111/app", vec![]));
    plan.resources.push(k8s("plain", &plan, "reg:5111/plain", vec![]));
    plan
}

fn edit(world: &mut World, dice: &mut Dice) {
    let dir = DIRS[dice.roll(DIRS.len())];
    let name = NAMES[dice.roll(NAMES.len())];
    let path = format!("{dir}/{name}");
    let changes = match dice.roll(10) {
        0..=5 => {
            let text = dice.roll(3).to_string();
            vec![world.write(&path, &text)]
        }
        6 => vec![world.remove(&path)],
        7 => {
            let victim = DIRS[1 + dice.roll(3)];
            vec![world.remove(victim)]
        }
        8 => {
            let (from, to) = (DIRS[1 + dice.roll(2)], DIRS[5]);
            if world.source.keys().any(|k| k.starts_with(to)) {
                return;
            }
            world.rename(from, to)
        }
        _ => {
            let from = DIRS[5];
            world.rename(from, DIRS[3])
        }
    };
    world.changed(changes);
}

fn storm(seed: u64, rounds: usize) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut world = World::new(plan(), &[("/p/app/src/x", "0"), ("/p/app/Makefile", "0")]);
    for _ in 0..rounds {
        match dice.roll(14) {
            0..=6 => edit(&mut world, &mut dice),
            7..=10 => {
                let which = dice.roll(64);
                world.finish(which);
            }
            11 => {
                let which = dice.roll(8);
                world.restart(which);
            }
            12 => {
                world.fail_builds = dice.roll(3) == 0;
                world.fail_syncs = dice.roll(4) == 0;
            }
            _ => {
                let resource = ["app", "again", "plain"][dice.roll(3)];
                world.tell_pods(resource);
            }
        }
    }
    world.fail_builds = false;
    world.fail_syncs = false;
    // a build that failed is tried again at the next change
    let change = world.write("/p/app/src/end", &seed.to_string());
    world.changed(vec![change]);
    world.settle();
    for resource in ["app", "again", "plain"] {
        world.tell_pods(resource);
    }
    world.settle();
    assert!(world.state.is_settled(), "seed {seed}");
    for resource in ["app", "again", "plain"] {
        let image = if resource == "plain" { "reg:5111/plain" } else { "reg:5111/app" };
        let pods: Vec<_> = world.pods.iter().filter(|p| p.resource == resource).collect();
        assert!(!pods.is_empty(), "seed {seed}: no pod of {resource}");
        for pod in pods {
            assert_eq!(
                pod.tree,
                world.expected(image),
                "seed {seed} pod {}\n{}",
                pod.name,
                world.journal.join("\n")
            );
        }
    }
}

#[test]
fn storms_end_in_equality() {
    for seed in 1..400 {
        storm(seed, 60);
    }
}

#[test]
fn long_storms_end_in_equality() {
    for seed in 1000..1010 {
        storm(seed, 1500);
    }
}
