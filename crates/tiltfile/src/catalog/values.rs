//! Names that stand for a value and not for a function.

/// A value in the scope of every file.
#[derive(Debug)]
pub struct Constant {
    /// Full: `config.main_dir`.
    pub name: &'static str,
    pub annotation: &'static str,
    pub doc: &'static str,
}

const fn constant(name: &'static str, annotation: &'static str, doc: &'static str) -> Constant {
    Constant { name, annotation, doc }
}

/// All of them.
pub fn constants() -> &'static [Constant] {
    CONSTANTS
}

static CONSTANTS: &[Constant] = &[
    constant("TRIGGER_MODE_AUTO", "TriggerMode", "A change of its files updates the resource."),
    constant("TRIGGER_MODE_MANUAL", "TriggerMode", "The resource is updated when the user asks for it."),
    constant("__file__", "str", "Absolute path of this file."),
    constant("__name__", "str", "`__main__` in the main Tiltfile, elsewhere the file's name."),
    constant("config.main_path", "str", "Absolute path of the main Tiltfile."),
    constant("config.main_dir", "str", "Its directory."),
    constant("config.tilt_subcommand", "str", "The command that runs: `up`, `ci`, `down`, …."),
    constant("os.name", "str", "`posix`, or `nt` on Windows."),
    constant("os.environ", "Environ", "The environment; what is changed in it holds for commands too."),
    constant("sys.argv", "list[str]", "The command line."),
    constant("sys.executable", "str", "Path of the program that evaluates this file."),
];
