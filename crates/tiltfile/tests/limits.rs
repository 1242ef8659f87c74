//! Tiltfiles that run away, and evaluations that the user stops.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use expect_test::{Expect, expect};
use std::cell::Cell;
use std::fmt::Write;
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

/// A host that is another, its first field, but for some methods.
macro_rules! impl_host_by_inner {
    ($name:ident, $($method:item),*) => {
        impl Host for $name {
            $($method)*
            fn read_file(&self, path: &Path) -> std::io::Result<Vec<u8>> {
                self.0.read_file(path)
            }
            fn kind(&self, path: &Path) -> Option<FileKind> {
                self.0.kind(path)
            }
            fn list_dir(&self, path: &Path) -> std::io::Result<Vec<DirEntry>> {
                self.0.list_dir(path)
            }
            fn canonical(&self, path: &Path) -> std::io::Result<PathBuf> {
                self.0.canonical(path)
            }
            fn environ(&self) -> Vec<(String, String)> {
                self.0.environ()
            }
            fn kustomize(&self, request: &KustomizeRequest) -> Result<Rendered, HostError> {
                self.0.kustomize(request)
            }
            fn helm(&self, request: &HelmRequest) -> Result<Rendered, HostError> {
                self.0.helm(request)
            }
            fn current_context(&self) -> Option<KubeContext> {
                self.0.current_context()
            }
            fn print(&self, _: Level, _: &str) {}
        }
    };
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
              /p/Tiltfile:4:31: in f
            Error: the evaluation took more than 1 MiB of memory
            hint: a loop that makes a list or a string ever longer is the usual reason
        "#]],
    );
}

/// What takes all memory in one step, or in a few, is refused where it stands.
#[test]
fn memory_at_once() {
    let mut out = String::new();
    for text in [
        "x = [0] * 2000000000\n",
        "x = 'x' * (1 << 30)\nprint(len(x))\n",
        "x = 2000000000 * (1, 2)\n",
        "x = [0]\nx *= 2000000000\n",
        "def f(a):\n    d = {'k': a}\n    d['k'] *= 1000000000\nf('ab')\n",
        "a = 'x' * 1000\nfor i in range(40):\n    a = a + a\n",
        "a = ['x'] * 1000\nfor i in range(40):\n    a += a\n",
        "a = 'x' * 1000\nfor i in range(40):\n    a += a\n",
        "a = [0]\n[a.extend(a) for i in range(40)]\n",
        "a = ['x'] * 1000\nx = [a.append(a[-1] + a[-1]) for i in range(40)]\n",
        "a = 'x' * 1000000\nx = [list(a.elems()) for i in range(1000)]\n",
        "a = 'x' * 100000\nx = a.join([a] * 100000)\n",
        "a = 'x' * 100000\nx = ('y' + a).replace('x', a)\n",
        "a = 'x' * 100000\nx = ('{0}' * 100000).format(a)\n",
        "a = 'x' * 100000\nx = ('{a}' * 100000).format(a=a)\n",
        "a = 'x' * 100000\nx = '%s' * 10000 % tuple([a] * 10000)\n",
        "a = 'x' * 100000\na = '%s' * 10000\na %= tuple(['x' * 100000] * 10000)\n",
        "x = list(range(2000000000))\n",
        "x = sorted(range(2000000000))\n",
        "def f(*a): pass\nf(*range(1, 2000000000, 2))\n",
        "a = 10\nfor i in range(60):\n    a = a * a\n",
        "a = 1 << 90000\na = a << 90000 << 90000\n",
        "x = int('9' * 1000000)\n",
        "a = [1]\nfor i in range(60):\n    a = [a, a]\nprint(a)\n",
        "a = [1]\nfor i in range(60):\n    a = [a, a]\nx = str(a)\n",
        "a = [1]\nfor i in range(60):\n    a = [a, a]\nx = '%r' % [a]\n",
        "a = [1]\nfor i in range(60):\n    a = [a, a]\nx = '{}'.format({'a': a})\n",
        "a = [1]\nfor i in range(60):\n    a = [a, a]\nx = encode_json(a)\n",
        "a = [1]\nfor i in range(60):\n    a = [a, a]\nfail(a)\n",
        "a = [1]\nfor i in range(60):\n    a = [a, a]\nlink(url='x')\nlocal_resource('a', 'b', links=[{1: a}])\n",
        "a = []\nfor i in range(100000):\n    a = [a]\nprint(a)\n",
        "x = decode_json('[' * 100000)\n",
        "x = decode_yaml('[' * 100000)\n",
        "a = 'a: &a [x, x, x, x, x, x, x, x, x]\\n'\nfor i in range(20):\n    a += '{0}: &{0} [{1}]\\n'.format('a' * (i + 2), ', '.join(['*' + 'a' * (i + 1)] * 9))\nx = decode_yaml(a)\n",
    ] {
        let limits = Limits { heap_bytes: 64 << 20, ..Limits::default() };
        let e = run(text, limits);
        let Some(error) = e.error else {
            writeln!(out, "{text}    NO ERROR").unwrap();
            continue;
        };
        let at = error.position.as_ref().map(|p| format!("{}:{}", p.line, p.column)).unwrap_or_default();
        let prefix = error.traceback.lines().last().unwrap_or_default();
        let message: String = error.message.chars().take(150).collect();
        writeln!(out, "{}\n    {at}: {prefix}{message}", text.lines().last().unwrap()).unwrap();
    }
    expect![[r#"
        x = [0] * 2000000000
            1:9: Error: this would take 15 GiB of memory; one value may take 8 MiB
        print(len(x))
            1:5: Error: this would take 1 GiB of memory; one value may take 8 MiB
        x = 2000000000 * (1, 2)
            1:5: Error: this would take 30 GiB of memory; one value may take 8 MiB
        x *= 2000000000
            2:5: Error: this would take 15 GiB of memory; one value may take 8 MiB
        f('ab')
            3:14: Error: this would take 1908 MiB of memory; one value may take 8 MiB
            a = a + a
            3:11: Error: this would take 16 MiB of memory; one value may take 8 MiB
            a += a
            3:7: Error: the evaluation took more than 64 MiB of memory
            a += a
            3:7: Error: the evaluation took more than 64 MiB of memory
        [a.extend(a) for i in range(40)]
            2:10: Error: the evaluation took more than 64 MiB of memory
        x = [a.append(a[-1] + a[-1]) for i in range(40)]
            2:21: Error: this would take 16 MiB of memory; one value may take 8 MiB
        x = [list(a.elems()) for i in range(1000)]
            2:10: Error: the evaluation took more than 64 MiB of memory
        x = a.join([a] * 100000)
            2:11: Error in join: this would take 19 GiB of memory; one value may take 8 MiB
        x = ('y' + a).replace('x', a)
            2:22: Error in replace: this would take 9537 MiB of memory; one value may take 8 MiB
        x = ('{0}' * 100000).format(a)
            2:28: Error in format: this would take 9538 MiB of memory; one value may take 8 MiB
        x = ('{a}' * 100000).format(a=a)
            2:28: Error in format: this would take 9538 MiB of memory; one value may take 8 MiB
        x = '%s' * 10000 % tuple([a] * 10000)
            2:18: Error: this would take 954 MiB of memory; one value may take 8 MiB
        a %= tuple(['x' * 100000] * 10000)
            3:5: Error: this would take 954 MiB of memory; one value may take 8 MiB
        x = list(range(2000000000))
            1:15: Error in range: range: 2000000000 numbers are more than the 524288 that fit into one value
        x = sorted(range(2000000000))
            1:17: Error in range: range: 2000000000 numbers are more than the 524288 that fit into one value
        f(*range(1, 2000000000, 2))
            2:9: Error in range: range: 1000000000 numbers are more than the 524288 that fit into one value
            a = a * a
            3:11: Error: integers of more than 100000 bits are not multiplied
        a = a << 90000 << 90000
            2:16: Error: integers of more than 100000 bits are not multiplied
        x = int('9' * 1000000)
            1:8: Error in int: int: the text has more than 100000 characters
        print(a)
            4:6: Error in print: this would take more than 8 MiB of memory; one value may take 8 MiB
        x = str(a)
            4:8: Error in str: this would take more than 8 MiB of memory; one value may take 8 MiB
        x = '%r' % [a]
            4:10: Error: this would take more than 8 MiB of memory; one value may take 8 MiB
        x = '{}'.format({'a': a})
            4:16: Error in format: this would take more than 8 MiB of memory; one value may take 8 MiB
        x = encode_json(a)
            4:16: Error in encode_json: error converting object from starlark: this takes more than 256 MiB
        fail(a)
            4:5: Error in fail: fail: for parameter msg: got list, want string
        local_resource('a', 'b', links=[{1: a}])
            5:15: Error in local_resource: local_resource: for parameter "links": `Want a string, a link, or a sequence of these; found a very large dict (type: *starlark.Dict)
        print(a)
            4:6: Error in print: this is nested more than 500 deep
        x = decode_json('[' * 100000)
            1:16: Error in decode_json: error parsing JSON: unexpected EOF
        x = decode_yaml('[' * 100000)
            1:16: Error in decode_yaml: error parsing YAML: error converting YAML to JSON: yaml: exceeded max depth of 10000
        x = decode_yaml(a)
            4:16: Error in decode_yaml: error parsing YAML: error converting YAML to JSON: yaml: document contains excessive aliasing
    "#]]
    .assert_eq(&out);
}

/// The guards change nothing of what they guard.
#[test]
fn guarded_operations() {
    let e = run(
        "x = 3\nx *= 4\nprint(x, 2 * x, x + 1, x << 2, 7 % 4, 6 | 1)\n\
         y = [1] * 2\nz = y\ny += [3]\nprint(y, z, y + (4,) if 0 else y + [4], (1,) + (2,))\n\
         print('%s=%d %r' % ('a', 1, 'b'), '%(k)s' % {'k': 'v'} if 0 else '', '{}-{a}-{}'.format(1, 2, a=3))\n\
         t = '%s %s'\nt %= 'a', 'b'\nprint(t, ('a' + 'b').join(['1', '2']), ' '.join({'k': 1, 'l': 2}))\n\
         print('a.b.c'.replace('.', '-').replace('-', '_', 1), ''.join([]), ','.join('abc'.elems()))\n\
         print([i * j for i in range(3) for j in range(2) if i], {i: [] for i in range(2)}, {'a': 1} | {'b': 2})\n\
         d = {'n': [2]}\nd['n'][0] *= 5\nprint(d)\n\
         s = struct(join = lambda a, b=0: [a, b])\nprint(s.join(1, b=2), os.path.join('a', 'b'))\n\
         print(range(3), list(range(1, 10, 3)), range(5)[-1], [i for i in range(3, 0, -1)], str(1), repr('a'))\n\
         print(int('ff', 16), int('7'), int(3.9), type(range), type(str), type('a'))\n\
         for i in range(1000000000):\n    if i == 3: break\nprint(i)\n",
        Limits::default(),
    );
    assert_eq!(e.error.map(|e| e.to_string()), None);
    expect![[r#"
        12 24 13 48 3 7
        [1, 1, 3] [1, 1, 3] [1, 1, 3, 4] (1, 2)
        a=1 "b"  1-3-2
        a b 1ab2 k l
        a_b-c  a,b,c
        [0, 1, 0, 2] {0: [], 1: []} {"a": 1, "b": 2}
        {"n": [10]}
        [1, 2] a/b
        range(3) [1, 4, 7] 4 [3, 2, 1] 1 "a"
        255 7 3 builtin_function_or_method builtin_function_or_method string
        3
    "#]]
    .assert_eq(&e.output);
    // names of the file's own stay its own
    let e = run(
        "def f(range):\n    return [r for r in range(2)]\nprint(f(lambda n: ['mine'] * n))\n",
        Limits::default(),
    );
    assert_eq!(e.output, "[\"mine\", \"mine\"]\n");
}

/// Where an error is, and what it says, is as if there were no guards.
#[test]
fn errors_of_guarded_operations() {
    let mut out = String::new();
    for text in [
        "x = 1 + 'a'\n",
        "def f(a):\n    return [a, 'é' + a]\nf(1)\n",
        "x = [1] * 'a'\n",
        "x = 'a' if 0 else '-'.join([1])\n",
        "x = '-'.join('a', 'b')\n",
        "x = ('a'\n  .format('b').replace('c'))\n",
        "x = [1].join('a')\n",
        "def g(): fail('no')\ns = struct(format=g)\ndef f():\n    s.format()\nf()\n",
        "x = [k + 1 for k in ['a'] if '{}'.format(k)]\n",
        "x = 1\nx *= None\n",
        "x = 'a'\nx %= 1, 2\n",
        "x = '%d' % 'a'\n",
        "x = range(1, 'a')\n",
        "x = range(1, 2, 0)\n",
        "x = str()\n",
        "x = '{} {}'.format('a')\n",
        "x = 'a'.replace('b', 'c').undefined('é') + no\n",
        "for i in range(2):\n    x = ' '.join(['a']).frob()\n",
    ] {
        let e = run(text, Limits::default());
        writeln!(out, "{}", e.error.map(|e| e.to_string()).unwrap_or_default()).unwrap();
    }
    expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:1:7: in <toplevel>
        Error: unknown binary op: int + string
        Traceback (most recent call last):
          /p/Tiltfile:3:2: in <toplevel>
          /p/Tiltfile:2:20: in f
        Error: unknown binary op: string + int
        Traceback (most recent call last):
          /p/Tiltfile:1:9: in <toplevel>
        Error: unknown binary op: list * string
        Traceback (most recent call last):
          /p/Tiltfile:1:27: in <toplevel>
        Error in join: Type of parameter `to_join` doesn't match, expected `str`, actual `int (repr: 1)`
        Traceback (most recent call last):
          /p/Tiltfile:1:13: in <toplevel>
        Error in join: Wrong number of positional arguments, expected 1, got 2
        Traceback (most recent call last):
          /p/Tiltfile:2:23: in <toplevel>
        Error in replace: Wrong number of positional arguments, expected between 2 and 3, got 1
        Traceback (most recent call last):
          /p/Tiltfile:1:5: in <toplevel>
        Error: list has no .join field or method
        Traceback (most recent call last):
          /p/Tiltfile:5:2: in <toplevel>
          /p/Tiltfile:4:13: in f
          /p/Tiltfile:1:14: in g
        Error in fail: no
        Traceback (most recent call last):
          /p/Tiltfile:1:8: in <toplevel>
        Error: unknown binary op: string + int
        Traceback (most recent call last):
          /p/Tiltfile:2:3: in <toplevel>
        Error: unknown binary op: int * NoneType
        Traceback (most recent call last):
          /p/Tiltfile:2:3: in <toplevel>
        Error: too many arguments for format string
        Traceback (most recent call last):
          /p/Tiltfile:1:10: in <toplevel>
        Error: %d format requires integer: cannot convert string to int
        Traceback (most recent call last):
          /p/Tiltfile:1:10: in <toplevel>
        Error in range: range: for parameter stop: got string, want int
        Traceback (most recent call last):
          /p/Tiltfile:1:10: in <toplevel>
        Error in range: range: step argument must not be zero
        Traceback (most recent call last):
          /p/Tiltfile:1:8: in <toplevel>
        Error in str: Wrong number of positional arguments, expected 1, got 0
        Traceback (most recent call last):
          /p/Tiltfile:1:19: in <toplevel>
        Error in format: Not enough parameters in format string
        /p/Tiltfile:1:44: undefined: no
        Traceback (most recent call last):
          /p/Tiltfile:2:24: in <toplevel>
        Error: string has no .frob field or method
    "#]]
    .assert_eq(&out);
}

/// Dictionaries lie outside of the interpreter's heap; the host knows how much memory the process has.
#[test]
fn memory_outside_of_the_heap() {
    struct Growing(MemoryHost, Cell<u64>);
    impl_host_by_inner!(
        Growing,
        fn memory(&self) -> Option<u64> {
            self.1.set(self.1.get() + 1);
            Some(self.1.get() << 30)
        },
        fn local(&self, command: &LocalCommand) -> std::io::Result<LocalOutput> {
            self.0.local(command)
        }
    );
    let host = Growing(MemoryHost::new("d = {}\nfor i in range(100000000):\n    d[i] = i\n"), Cell::new(0));
    let e = evaluate(&host, Path::new("/p/Tiltfile"), &Settings::default()).error.unwrap();
    assert_eq!(e.message, "the evaluation took more than 2048 MiB of memory");
    assert_eq!(host.1.get(), 6);
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
    assert_eq!(e.message, "cannot load f99: loads are nested more than 100 deep: /p/f99");
}

#[test]
fn data_that_holds_itself() {
    let e = run("x = []\nx.append(x)\nprint(encode_json(x))\n", Limits::default()).error.unwrap();
    assert!(e.message.ends_with("this is nested more than 500 deep; does it hold itself?"), "{}", e.message);
}

/// A user who has had enough at the n-th question, or once a command runs.
struct Impatient(MemoryHost, Cell<usize>, Cell<bool>);

impl_host_by_inner!(
    Impatient,
    fn interrupted(&self) -> bool {
        self.1.set(self.1.get().saturating_sub(1));
        self.1.get() == 0 || self.2.get()
    },
    fn local(&self, _: &LocalCommand) -> std::io::Result<LocalOutput> {
        self.2.set(true);
        Ok(LocalOutput { code: 130, ..LocalOutput::default() })
    }
);

#[test]
fn the_user_stops_it() {
    let stopped = |text: &str| {
        let host = Impatient(MemoryHost::new(text), Cell::new(50), Cell::new(false));
        let e = evaluate(&host, Path::new("/p/Tiltfile"), &Settings::default());
        assert!(e.interrupted);
        e.error.unwrap().to_string()
    };
    expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:6:2: in <toplevel>
          /p/Tiltfile:2:5: in f
        Error: the evaluation was interrupted"#]]
    .assert_eq(&stopped("def f():\n    for i in range(1000000000):\n        g()\ndef g():\n    pass\nf()\n"));
    expect![[r#"
        Traceback (most recent call last):
          /p/Tiltfile:1:6: in <toplevel>
        Error in local: the evaluation was interrupted"#]]
    .assert_eq(&stopped("local('sleep 100')\nprint('not reached')\n"));
}

/// Compose files that go deep, in each way they can.
#[test]
fn deep_compose_files() {
    let mut chain = String::from("services:\n");
    for i in 0..4_000 {
        writeln!(chain, "  s{i}: {{image: x, depends_on: [s{}]}}", i + 1).unwrap();
    }
    let nested =
        format!("services: {{web: {{image: x, command: {}{}}}}}", "[".repeat(9000), "]".repeat(9000));
    let mut extends = String::from("services:\n  e200: {image: x}\n");
    for i in 0..200 {
        writeln!(extends, "  e{i}: {{extends: e{}}}", i + 1).unwrap();
    }
    let mut out = String::new();
    for text in [
        format!("{chain}  s4000: {{image: x}}"),
        format!("{chain}  s4000: {{image: x, depends_on: [s9]}}"),
        nested,
        extends,
    ] {
        let e = on_a_big_stack(|| {
            let host = MemoryHost::new(&format!("docker_compose('c.yml')\n-- c.yml\n{text}"));
            evaluate(&host, Path::new("/p/Tiltfile"), &Settings::default())
        });
        match e.error {
            Some(e) => writeln!(out, "{}", e.message.chars().take(100).collect::<String>()).unwrap(),
            None => writeln!(out, "{} resources", e.plan.resources.len()).unwrap(),
        }
    }
    expect![[r#"
        4001 resources
        dependency cycle detected: s0 -> s1 -> s2 -> s3 -> s4 -> s5 -> s6 -> s7 -> s8 -> s9 -> s10 -> s11 ->
        failed to parse /p/c.yml: yaml: exceeded max depth of 200
        services.e100: more than 100 services extend each other
    "#]]
    .assert_eq(&out);
}
