//! `config`, `os`, `shlex`.

use super::{Done, Entry, entry};

const DEFINE: &str = "name: str, args: bool = False, usage: str = \"\"";

pub(super) static CONFIG: &[Entry] = &[
    entry(
        "config.define_string_list",
        DEFINE,
        "None",
        Done,
        "Declares a setting that is a list of strings.\nOn the command line after `--`, as `--NAME VALUE`; with \
         `args`, the words that belong to no flag. Else it comes from `tilt_config.json`.",
    ),
    entry("config.define_string", DEFINE, "None", Done, "Declares a setting that is a string."),
    entry("config.define_bool", DEFINE, "None", Done, "Declares a setting that is true or false."),
    entry("config.define_object", DEFINE, "None", Done, "Declares a setting that is any JSON value."),
    entry(
        "config.parse",
        "",
        "dict[str, Any]",
        Done,
        "The settings that were given: on the command line, else in `tilt_config.json`.",
    ),
    entry(
        "config.set_enabled_resources",
        "resources: list[str]",
        "None",
        Done,
        "The resources to run, with what they depend on.",
    ),
    entry("config.clear_enabled_resources", "", "None", Done, "No resource runs until it is enabled."),
];

pub(super) static OS: &[Entry] = &[
    entry("os.getcwd", "", "str", Done, "Directory of the file that is being evaluated."),
    entry(
        "os.getenv",
        "key: str, default: Any = None",
        "str",
        Done,
        "A variable of the environment, or `default`.",
    ),
    entry(
        "os.putenv",
        "key: str, value: str",
        "None",
        Done,
        "Sets a variable of the environment, for commands too.",
    ),
    entry("os.unsetenv", "key: str", "None", Done, "Takes a variable out of the environment."),
    entry("os.path.abspath", "path: str", "str", Done, "The path from the root, without `.` and `..`."),
    entry("os.path.basename", "path: str", "str", Done, "The last part of a path."),
    entry("os.path.dirname", "path: str", "str", Done, "A path without its last part."),
    entry("os.path.exists", "path: str", "bool", Done, "Something is there. It is not watched."),
    entry("os.path.realpath", "path: str", "str", Done, "The path with all symbolic links resolved."),
    entry(
        "os.path.relpath",
        "targpath: str, basepath: str = \"\"",
        "str",
        Done,
        "The first path as seen from the second (else from the current directory).",
    ),
    entry(
        "os.path.join",
        "path: str, *paths: str",
        "str",
        Done,
        "The parts joined by `/`, and cleaned; a part that begins with `/` does not start anew, as it would in Python.",
    ),
];

pub(super) static ENVIRON: &[Entry] = &[
    entry("environ.clear", "", "None", Done, "Takes all variables out."),
    entry("environ.get", "key: str, default: Any = None", "str", Done, "A variable, or `default`."),
    entry("environ.items", "", "list[tuple[str, str]]", Done, "Names and values."),
    entry("environ.keys", "", "list[str]", Done, "The names."),
    entry(
        "environ.pop",
        "key: str, default: Any = None",
        "str",
        Done,
        "Takes a variable out and returns it.",
    ),
    entry("environ.popitem", "", "tuple[str, str]", Done, "Takes some variable out and returns it."),
    entry(
        "environ.setdefault",
        "key: str, default: str = \"\"",
        "str",
        Done,
        "A variable; it is set if it was not there.",
    ),
    entry("environ.update", "*pairs: dict[str, str], **kwargs: str", "None", Done, "Sets variables."),
    entry("environ.values", "", "list[str]", Done, "The values."),
];

pub(super) static SHLEX: &[Entry] =
    &[entry("shlex.quote", "name: str", "str", Done, "The text as one word of a shell's command line.")];
