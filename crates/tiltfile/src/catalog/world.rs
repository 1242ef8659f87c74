//! Files, commands, data, and a Tiltfile's own structure.

use super::{Done, Entry, entry};

pub(super) static FILES: &[Entry] = &[
    entry(
        "local",
        "command: Command, quiet: bool = False, command_bat: Command = \"\", echo_off: bool = False, \
         env: dict[str, str] = {}, dir: Path = \"\", stdin: Text = None",
        "Blob",
        Done,
        "Runs a command now and returns its output.\nWhat it reads is not watched: see `watch_file`. If it fails, so \
         does the Tiltfile.",
    ),
    entry(
        "read_file",
        "paths: Path, default: str = None",
        "Blob",
        Done,
        "A file's text; a change of the file evaluates the Tiltfile again.",
    ),
    entry(
        "watch_file",
        "paths: Path | list[Path]",
        "None",
        Done,
        "A change of this file, or below this directory, evaluates the Tiltfile again.",
    ),
    entry(
        "listdir",
        "dir: Path, recursive: bool = False",
        "list[str]",
        Done,
        "Absolute paths of the files in a directory.\nNone if it does not exist. Only with `recursive` is the directory watched.",
    ),
    entry(
        "blob",
        "input: str",
        "Blob",
        Done,
        "A string as a blob: text where a plain string would be a path.",
    ),
    entry(
        "local_git_repo",
        "paths: Path",
        "Repo",
        Done,
        "A git repository on disk; `repo.paths('a/b')` is a path in it.",
    ),
];

pub(super) static DATA: &[Entry] = &[
    entry(
        "read_json",
        "paths: Path, default: Any = None",
        "Any",
        Done,
        "The value of a JSON file, which is watched.",
    ),
    entry("decode_json", "json: Text", "Any", Done, "The value of a JSON text."),
    entry("encode_json", "obj: Any", "str", Done, "A value as JSON, indented by two spaces."),
    entry(
        "read_yaml",
        "paths: Path, default: Any = None",
        "Any",
        Done,
        "The value of a YAML file of one document; the file is watched.",
    ),
    entry(
        "read_yaml_stream",
        "paths: Path, default: Any = None",
        "list[Any]",
        Done,
        "The values of all documents of a YAML file, which is watched.",
    ),
    entry("decode_yaml", "yaml: Text", "Any", Done, "The value of a YAML text of one document."),
    entry(
        "decode_yaml_stream",
        "yaml: Text",
        "list[Any]",
        Done,
        "The values of all documents of a YAML text.",
    ),
    entry("encode_yaml", "obj: Any", "Blob", Done, "A value as YAML."),
    entry("encode_yaml_stream", "objs: list[Any]", "Blob", Done, "Values as a YAML text, a document each."),
];

pub(super) static STRUCTURE: &[Entry] = &[
    entry(
        "include",
        "path: str",
        "None",
        Done,
        "Evaluates another Tiltfile, once, without taking names from it.\nRelative paths in it start at its own \
         directory. `ext://NAME` is an extension.",
    ),
    entry(
        "load_dynamic",
        "path: str",
        "dict[str, Any]",
        Done,
        "Evaluates another Tiltfile, once, and returns its names and their values.\nAs `load`, with a name that is \
         computed.",
    ),
    entry("print", "*args: Any, sep: str = \" \"", "None", Done, "Prints values."),
    entry("warn", "msg: Any", "None", Done, "Shows a warning; evaluation goes on."),
    entry("fail", "msg: Any", "NoReturn", Done, "Ends the evaluation with an error."),
    entry(
        "exit",
        "code: Any = None",
        "NoReturn",
        Done,
        "Ends the evaluation without an error.\nWhat was registered until then holds.",
    ),
    entry("struct", "**kwargs: Any", "Any", Done, "A value with these attributes."),
    entry("module", "name: str, **kwargs: Any", "Any", Done, "A value with a name and these attributes."),
];

pub(super) static OURS: &[Entry] = &[
    entry("coracle.base64_encode", "text: str", "str", Done, "Encodes UTF-8."),
    entry("coracle.base64_decode", "text: str", "str", Done, "Decodes to UTF-8."),
    entry("coracle.data_of_file", "path: Path, watch: bool = True", "Any", Done, "A file's content."),
    entry(
        "coracle.data_of_files",
        "sources: str | list[str], watch: bool = True",
        "list[Any]",
        Done,
        "Keys and contents, as kubectl makes them of `--from-file`.",
    ),
    entry(
        "coracle.data_of_env_file",
        "path: Path, watch: bool = True",
        "list[Any]",
        Done,
        "Keys and values, as kubectl makes them of `--from-env-file`.",
    ),
    entry("coracle.glob", "pattern: str", "list[str]", Done, "The files of a pattern."),
];
