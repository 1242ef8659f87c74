//! Parsing, by example.

use crate::instruction::Kind;
use crate::parse;
use expect_test::{Expect, expect};

fn check(text: &str, expect: Expect) {
    let (file, diagnostics) = parse(text);
    let mut out = String::new();
    for arg in &file.global_args {
        out += &format!("{}: ARG {} {:?}\n", arg.line, arg.name, arg.default);
    }
    for stage in &file.stages {
        out += &format!("{}: FROM {} as {:?} on {:?}\n", stage.line, stage.base, stage.name, stage.platform);
        for instruction in &stage.instructions {
            out += &format!("  {}: {}\n    {:?}\n", instruction.line, instruction.text, instruction.kind);
        }
    }
    for found in diagnostics {
        out += &format!("{}:{}: {}", found.line, found.column, found.message);
        out += &found.hint.map_or("\n".into(), |hint| format!(" (hint: {hint})\n"));
    }
    expect.assert_eq(&out);
}

#[test]
fn a_usual_file() {
    check(
        r#"# syntax=docker/dockerfile:1
ARG PYTHON=3.11
FROM --platform=$BUILDPLATFORM python:${PYTHON}-slim AS Build

# a comment
run apt-get update && \
    # in between

    apt-get install -y curl \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --chown=app:app --from=node:22 pyproject.toml "read me.md" ./
ADD --chmod=755 ["a b", "/c d/"]
ENV A=1 B="2 3" C=x\ y
ENV OLD rest of $A line
ARG X Y=2
LABEL "com.example"="a b"
EXPOSE 8000 53/udp
VOLUME ["/data"]
USER app
STOPSIGNAL SIGINT
SHELL ["/bin/bash", "-c"]
HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f http://localhost/ || exit 1
ENTRYPOINT ["python", "-m"]
CMD codex.main --x
ONBUILD COPY . .
MAINTAINER me
"#,
        expect![[r#"
            2: ARG PYTHON Some("3.11")
            3: FROM python:${PYTHON}-slim as Some("build") on Some("$BUILDPLATFORM")
              6: RUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*
                Run(Run { command: Shell("apt-get update &&     apt-get install -y curl   && rm -rf /var/lib/apt/lists/*"), mounts: [], heredocs: [] })
              11: WORKDIR /app
                Workdir("/app")
              12: COPY --chown=app:app --from=node:22 pyproject.toml "read me.md" ./
                Copy(Copy { add: false, from: Some("node:22"), chown: Some("app:app"), chmod: None, link: false, parents: false, excludes: [], sources: [Path("pyproject.toml"), Path("\"read"), Path("me.md\"")], dest: "./" })
              13: ADD --chmod=755 ["a b", "/c d/"]
                Copy(Copy { add: true, from: None, chown: None, chmod: Some("755"), link: false, parents: false, excludes: [], sources: [Path("a b")], dest: "/c d/" })
              14: ENV A=1 B="2 3" C=x\ y
                Env([("A", "1"), ("B", "\"2 3\""), ("C", "x\\ y")])
              15: ENV OLD rest of $A line
                Env([("OLD", "rest of $A line")])
              16: ARG X Y=2
                Arg([("X", None), ("Y", Some("2"))])
              17: LABEL "com.example"="a b"
                Label([("\"com.example\"", "\"a b\"")])
              18: EXPOSE 8000 53/udp
                Expose(["8000", "53/udp"])
              19: VOLUME ["/data"]
                Volume(["/data"])
              20: USER app
                User("app")
              21: STOPSIGNAL SIGINT
                StopSignal("SIGINT")
              22: SHELL ["/bin/bash", "-c"]
                Shell(["/bin/bash", "-c"])
              23: HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f http://localhost/ || exit 1
                Healthcheck { test: ["CMD-SHELL", "curl -f http://localhost/ || exit 1"], options: [("Interval", 90000000000), ("Retries", 3)] }
              24: ENTRYPOINT ["python", "-m"]
                Entrypoint(Exec(["python", "-m"]))
              25: CMD codex.main --x
                Cmd(Shell("codex.main --x"))
              26: ONBUILD COPY . .
                OnBuild("COPY . .")
              27: MAINTAINER me
                Maintainer("me")
        "#]],
    );
}

#[test]
fn here_documents() {
    check(
        "FROM x\nRUN <<EOF\necho a\n  # kept\nEOF\nRUN cat <<-'A' > /a && cat <<B > /b\n\t$one\n\tA\ntwo\nB\nCOPY <<a.txt <<\"b.txt\" /d/\n$A\na.txt\n$B\nb.txt\nRUN x <<END\nnever\n",
        expect![[r#"
            1: FROM x as None on None
              2: RUN <<EOF
                Run(Run { command: Shell("<<EOF"), mounts: [], heredocs: [Heredoc { name: "EOF", content: "echo a\n  # kept\n", expand: true }] })
              6: RUN cat <<-'A' > /a && cat <<B > /b
                Run(Run { command: Shell("cat <<-'A' > /a && cat <<B > /b"), mounts: [], heredocs: [Heredoc { name: "A", content: "$one\n", expand: false }, Heredoc { name: "B", content: "two\n", expand: true }] })
              11: COPY <<a.txt <<"b.txt" /d/
                Copy(Copy { add: false, from: None, chown: None, chmod: None, link: false, parents: false, excludes: [], sources: [Heredoc(Heredoc { name: "a.txt", content: "$A\n", expand: true }), Heredoc(Heredoc { name: "b.txt", content: "$B\n", expand: false })], dest: "/d/" })
            16:7: the here-document has no line `END` that ends it
        "#]],
    );
}

#[test]
fn mistakes_have_places() {
    check(
        "RUN x\nFROM a b\nFORM x\nFROM a AS 1\nFROM a as b\nFROM c AS B\n  CPOY . .\nCOPY one\nCOPY --form=x a b\nRUN --mount=type=disk x\nENV A=1 B\nSHELL x\nHEALTHCHECK x\nONBUILD FROM y\nWORKDIR\nEXPOSE \\\n",
        expect![[r#"
            5: FROM a as Some("b") on None
            1:1: RUN before the first FROM (only ARG may be there)
            2:6: FROM needs one image, and perhaps `AS name`
            3:1: unknown instruction FORM (hint: did you mean FROM?)
            4:11: `1` is not a stage name (a letter, then letters, digits, `_`, `-`, `.`)
            6:6: there is already a stage named `b`
            7:3: unknown instruction CPOY (hint: did you mean COPY?)
            8:6: COPY needs at least one source and a destination
            9:6: COPY has no flag --form
            10:5: unknown mount type `disk`
            11:9: `B` is not NAME=VALUE (hint: put a value with blanks in quotes)
            12:7: SHELL needs its words as JSON: SHELL ["/bin/bash", "-c"]
            13:13: HEALTHCHECK needs NONE or CMD
            14:9: FROM cannot be an ONBUILD trigger
            15:1: WORKDIR needs an argument
            16:1: EXPOSE needs an argument
        "#]],
    );
    check(
        "",
        expect![[r#"
        1:1: the file has no FROM (hint: begin with FROM and a base image, or FROM scratch)
    "#]],
    );
    check(
        "# nothing\n",
        expect![[r#"
        1:1: the file has no FROM (hint: begin with FROM and a base image, or FROM scratch)
    "#]],
    );
}

#[test]
fn escape_directive_and_windows_line_ends() {
    check(
        "# escape=`\r\nFROM x\r\nRUN a `\r\n b\r\nCOPY c:\\x \\\r\n",
        expect![[r#"
        2: FROM x as None on None
          3: RUN a b
            Run(Run { command: Shell("a  b"), mounts: [], heredocs: [] })
          5: COPY c:\x \
            Copy(Copy { add: false, from: None, chown: None, chmod: None, link: false, parents: false, excludes: [], sources: [Path("c:\\x")], dest: "\\" })
    "#]],
    );
}

#[test]
fn script_and_shell_text() {
    let (file, _) = parse("FROM x\nRUN <<EOF\na\nEOF\nRUN cat <<X >/y\nb\nX\n");
    let scripts: Vec<_> = file.stages[0]
        .instructions
        .iter()
        .map(|instruction| match &instruction.kind {
            Kind::Run(run) => (run.script().map(|script| script.content.clone()), run.shell_text()),
            _ => (None, None),
        })
        .collect();
    assert_eq!(scripts[0].0.as_deref(), Some("a\n"));
    assert_eq!(scripts[1], (None, Some("cat <<X >/y\nb\nX".to_owned())));
}
