//! Tiltfiles that run away, and evaluations that the user stops.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use expect_test::{Expect, expect};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use support::MemoryHost;
use tiltfile::{
    DirEntry, Evaluation, FileKind, HelmRequest, Host, HostError, KubeContext, KustomizeRequest, Level,
    Limits, LocalCommand, LocalOutput, Rendered, STACK_BYTES, Settings, evaluate,
};

/// The work of a Tiltfile needs a stack of its own.
fn on_a_big_stack<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, f).unwrap().join().unwrap()
    })
}

fn run(text: &str, limits: Limits) -> Evaluation {
    on_a_big_stack(|| {
        let settings = Settings { limits, ..Settings::default() };
        evaluate(&MemoryHost::new(text), Path::new("/p/Tiltfile"), &settings)
    })
}

fn check(text: &str, limits: Limits, want: Expect) {
    let e = run(text, limits).error.unwrap();
    let hint = e.hint.as_ref().map(|h| format!("hint: {h}\n")).unwrap_or_default();
    want.assert_eq(&format!("{e}\n{hint}"));
}

#[test]
fn recursion_without_an_end() {
    let limits = Limits { call_depth: 5, ..Limits::default() };
    check(
        "def f(n):\n    return f(n + 1)\nf(0)\n",
        limits,
        expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:3:2: in <toplevel>
          /p/Tiltfile:2:13: in f
          /p/Tiltfile:2:13: in f
          /p/Tiltfile:2:13: in f
          /p/Tiltfile:2:16: in f
        Error: calls are nested more than 5 deep
        hint: does the function call itself without an end?
    "#]],
    );
    // the default depth fits on the stack
    let e = run("def f(n):\n    return f(n + 1)\nf(0)\n", Limits::default()).error.unwrap();
    assert_eq!(e.message, "calls are nested more than 1000 deep");
    assert_eq!(e.position.unwrap().line, 2);
}

#[test]
fn loops_without_an_end() {
    let limits = Limits { steps: 100_000, ..Limits::default() };
    check(
        "def f():\n    for i in range(1000000000):\n        pass\nf()\n",
        limits,
        expect![[r#"
            Traceback (most recent call last):
              /p/Tiltfile:4:2: in <toplevel>
              /p/Tiltfile:2:5: in f
            Error: the evaluation took more than 100000 steps
            hint: is there a loop without an end? Work that is this long belongs into a program that `local` runs
        "#]],
    );
    // files have one budget together
    let e = run(
        "load('a', 'x')\nfor i in range(60000):\n    pass\n-- a\nx = 1\nfor i in range(60000):\n    pass\n",
        limits,
    );
    assert_eq!(e.error.unwrap().message, "the evaluation took more than 100000 steps");
}

#[test]
fn memory() {
    let limits = Limits { heap_bytes: 1 << 20, ..Limits::default() };
    check(
        "def f():\n    all = []\n    for i in range(1000000):\n        all.append('x' * 1000 + str(i))\nf()\n",
        limits,
        expect![[r#"
            Traceback (most recent call last):
              /p/Tiltfile:5:2: in <toplevel>
              /p/Tiltfile:4:33: in f
            Error: the evaluation took more than 1 MiB of memory
            hint: a loop that makes a list or a string ever longer is the usual reason
        "#]],
    );
}

#[test]
fn deep_texts() {
    for text in [
        format!("x = {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("x = {}", "[".repeat(100_000)),
        format!("x = {}1", "-".repeat(100_000)),
        format!("x = 1{}", " + 1".repeat(100_000)),
        format!("x = {}True", "not ".repeat(100_000)),
        format!("x = a{}", ".b".repeat(100_000)),
        format!("x = a{}", "()".repeat(100_000)),
        format!("x = {}1", "1 if 1 else ".repeat(100_000)),
        format!("x = {}1", "lambda: ".repeat(100_000)),
        format!("if 1: pass\n{}", "elif 1: pass\n".repeat(100_000)),
        (0..2_000).map(|i| format!("{}if 1:\n", " ".repeat(i))).collect::<String>()
            + &" ".repeat(2_000)
            + "pass\n",
    ] {
        let e = run(&text, Limits::default()).error.unwrap();
        assert!(e.message.ends_with("this is nested more than 1000 deep"), "{}", e.message);
        assert!(e.position.is_some());
    }
    // and what is within the limit works
    let e = run(&format!("x = 1{}\nprint(x)\n", " + 1".repeat(900)), Limits::default());
    assert_eq!(e.output, "901\n");
    let deep = format!("x = {}{}\nprint(len(x))\n", "[".repeat(900), "]".repeat(900));
    assert_eq!(run(&deep, Limits::default()).output, "1\n");
    let deep = format!(
        "{}pass\nprint('ok')\n",
        (0..400).map(|i| format!("{}if 1:\n", " ".repeat(i))).collect::<String>() + &" ".repeat(400)
    );
    assert_eq!(run(&deep, Limits::default()).output, "ok\n");
}

#[test]
fn loads_that_go_deep() {
    let mut text = "load('f0', 'x')\n".to_owned();
    for i in 0..200 {
        text.push_str(&format!("-- f{i}\nload('f{}', _y='x')\nx = 1\n", i + 1));
    }
    text.push_str("-- f200\nx = 1\n");
    let e = run(&text, Limits::default()).error.unwrap();
    assert_eq!(e.message, "loads are nested more than 100 deep: /p/f99");
}

#[test]
fn data_that_holds_itself() {
    let e = run("x = []\nx.append(x)\nprint(encode_json(x))\n", Limits::default()).error.unwrap();
    assert!(e.message.ends_with("this is nested more than 500 deep; does it hold itself?"), "{}", e.message);
}

/// A user who has had enough at the n-th question, or once a command runs.
struct Impatient {
    inner: MemoryHost,
    questions: Cell<usize>,
    command: Cell<bool>,
}

impl Host for Impatient {
    fn interrupted(&self) -> bool {
        self.questions.set(self.questions.get().saturating_sub(1));
        self.questions.get() == 0 || self.command.get()
    }
    fn local(&self, _: &LocalCommand) -> std::io::Result<LocalOutput> {
        self.command.set(true);
        Ok(LocalOutput { code: 130, ..LocalOutput::default() })
    }
    fn read_file(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        self.inner.read_file(path)
    }
    fn kind(&self, path: &Path) -> Option<FileKind> {
        self.inner.kind(path)
    }
    fn list_dir(&self, path: &Path) -> std::io::Result<Vec<DirEntry>> {
        self.inner.list_dir(path)
    }
    fn canonical(&self, path: &Path) -> std::io::Result<PathBuf> {
        self.inner.canonical(path)
    }
    fn environ(&self) -> Vec<(String, String)> {
        self.inner.environ()
    }
    fn kustomize(&self, request: &KustomizeRequest) -> Result<Rendered, HostError> {
        self.inner.kustomize(request)
    }
    fn helm(&self, request: &HelmRequest) -> Result<Rendered, HostError> {
        self.inner.helm(request)
    }
    fn current_context(&self) -> Option<KubeContext> {
        self.inner.current_context()
    }
    fn print(&self, _: Level, _: &str) {}
}

#[test]
fn the_user_stops_it() {
    let stopped = |text: &str| {
        let host =
            Impatient { inner: MemoryHost::new(text), questions: Cell::new(50), command: Cell::new(false) };
        let e = evaluate(&host, Path::new("/p/Tiltfile"), &Settings::default());
        assert!(e.interrupted);
        e.error.unwrap().to_string()
    };
    expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:6:2: in <toplevel>
          /p/Tiltfile:3:9: in f
        Error: the evaluation was interrupted"#]]
    .assert_eq(&stopped("def f():\n    for i in range(1000000000):\n        g()\ndef g():\n    pass\nf()\n"));
    expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:1:6: in <toplevel>
        Error in local: the evaluation was interrupted"#]]
    .assert_eq(&stopped("local('sleep 100')\nprint('not reached')\n"));
}
