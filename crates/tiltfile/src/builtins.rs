//! The table of builtins, and the scope that a Tiltfile starts with.

mod compose;
mod encoding;
pub(crate) mod environ;
mod files;
mod images;
mod k8s;
mod live_update;
mod local;
mod native;
mod os;
mod settings;
mod structure;
mod v1alpha1;

pub(crate) use images::{OUTPUT_FILE, WORKING_REPOSITORY, git_ignores};
pub(crate) use k8s::WORKLOAD_FUNCTION;
pub(crate) use live_update::check_paths;
use settings::TILT_VERSION;
pub(crate) use settings::{WATCH_SETTINGS, tiltignore};

use crate::call::Native;
use crate::config;
use crate::env::Env;
use crate::values::module::{Constant, ModuleValue};
use crate::values::{TriggerModeValue, set_builtin};
use starlark::environment::{Globals, GlobalsBuilder, LibraryExtension};

/// Every builtin by its full name, which is also what error texts call it.
pub(crate) static TABLE: &[(&str, Native)] = &[
    // images
    ("docker_build", images::docker_build),
    ("custom_build", images::custom_build),
    ("default_registry", images::default_registry),
    // Kubernetes
    ("k8s_yaml", k8s::k8s_yaml),
    ("filter_yaml", k8s::filter_yaml),
    ("k8s_resource", k8s::k8s_resource),
    ("k8s_custom_deploy", k8s::k8s_custom_deploy),
    ("k8s_kind", k8s::k8s_kind),
    ("k8s_image_json_path", k8s::k8s_image_json_path),
    ("workload_to_resource_function", k8s::workload_to_resource_function),
    ("port_forward", k8s::port_forward),
    ("k8s_context", k8s::k8s_context),
    ("k8s_namespace", k8s::k8s_namespace),
    ("allow_k8s_contexts", k8s::allow_k8s_contexts),
    ("kustomize", files::kustomize),
    ("helm", files::helm),
    // Compose
    ("docker_compose", compose::docker_compose),
    ("dc_resource", compose::dc_resource),
    // local
    ("local_resource", local::local_resource),
    ("test", local::test),
    ("trigger_mode", local::trigger_mode),
    ("link", local::link),
    ("probe", local::probe),
    ("exec_action", local::exec_action),
    ("http_get_action", local::http_get_action),
    ("tcp_socket_action", local::tcp_socket_action),
    // live update
    ("initial_sync", live_update::initial_sync),
    ("fall_back_on", live_update::fall_back_on),
    ("sync", live_update::sync),
    ("run", live_update::run),
    ("restart_container", live_update::restart_container),
    // files and commands
    ("local", files::local),
    ("read_file", files::read_file),
    ("watch_file", files::watch_file),
    ("listdir", files::listdir),
    ("blob", files::blob),
    ("local_git_repo", files::local_git_repo),
    ("read_json", encoding::read_json),
    ("decode_json", encoding::decode_json),
    ("encode_json", encoding::encode_json),
    ("read_yaml", encoding::read_yaml),
    ("read_yaml_stream", encoding::read_yaml_stream),
    ("decode_yaml", encoding::decode_yaml),
    ("decode_yaml_stream", encoding::decode_yaml_stream),
    ("encode_yaml", encoding::encode_yaml),
    ("encode_yaml_stream", encoding::encode_yaml_stream),
    // structure
    ("include", structure::include),
    ("load_dynamic", structure::load_dynamic),
    ("print", structure::print),
    ("warn", structure::warn),
    ("fail", structure::fail_),
    ("exit", structure::exit),
    ("struct", structure::struct_),
    ("module", structure::module),
    // settings
    ("update_settings", settings::update_settings),
    ("watch_settings", settings::watch_settings),
    ("ci_settings", settings::ci_settings),
    ("docker_prune_settings", settings::docker_prune_settings),
    ("secret_settings", settings::secret_settings),
    ("version_settings", settings::version_settings),
    ("set_team", settings::set_team),
    ("analytics_settings", settings::analytics_settings),
    ("experimental_analytics_report", settings::analytics_report),
    ("experimental_telemetry_cmd", settings::telemetry_cmd),
    ("experimental_metrics_settings", settings::metrics_settings),
    ("enable_feature", settings::enable_feature),
    ("disable_feature", settings::disable_feature),
    ("disable_snapshots", settings::disable_snapshots),
    // config
    ("config.define_string_list", config::define_string_list),
    ("config.define_string", config::define_string),
    ("config.define_bool", config::define_bool),
    ("config.define_object", config::define_object),
    ("config.parse", config::parse),
    ("config.set_enabled_resources", config::set_enabled_resources),
    ("config.clear_enabled_resources", config::clear_enabled_resources),
    // os
    ("os.getcwd", os::getcwd),
    ("os.getenv", os::getenv),
    ("os.putenv", os::putenv),
    ("os.unsetenv", os::unsetenv),
    ("os.path.abspath", os::abspath),
    ("os.path.basename", os::basename),
    ("os.path.dirname", os::dirname),
    ("os.path.exists", os::exists),
    ("os.path.realpath", os::realpath),
    ("os.path.relpath", os::relpath),
    ("os.path.join", os::join),
    ("environ.clear", environ::clear),
    ("environ.get", environ::get),
    ("environ.items", environ::items),
    ("environ.keys", environ::keys),
    ("environ.pop", environ::pop),
    ("environ.popitem", environ::popitem),
    ("environ.setdefault", environ::setdefault),
    ("environ.update", environ::update),
    ("environ.values", environ::values),
    ("shlex.quote", os::shlex_quote),
    // for built-in extensions alone
    ("coracle.base64_encode", native::base64_encode),
    ("coracle.base64_decode", native::base64_decode),
    ("coracle.data_of_file", native::data_of_file),
    ("coracle.data_of_files", native::data_of_files),
    ("coracle.data_of_env_file", native::data_of_env_file),
    ("coracle.glob", native::glob),
    // the objects of Tilt's own API
    ("v1alpha1.cmd", v1alpha1::object),
    ("v1alpha1.config_map", v1alpha1::object),
    ("v1alpha1.extension", v1alpha1::object),
    ("v1alpha1.extension_repo", v1alpha1::object),
    ("v1alpha1.file_watch", v1alpha1::object),
    ("v1alpha1.kubernetes_apply", v1alpha1::object),
    ("v1alpha1.kubernetes_discovery", v1alpha1::object),
    ("v1alpha1.ui_button", v1alpha1::object),
    ("v1alpha1.config_map_disable_source", v1alpha1::part),
    ("v1alpha1.disable_source", v1alpha1::part),
    ("v1alpha1.exec_action", v1alpha1::part),
    ("v1alpha1.forward", v1alpha1::part),
    ("v1alpha1.http_get_action", v1alpha1::part),
    ("v1alpha1.http_header", v1alpha1::part),
    ("v1alpha1.handler", v1alpha1::part),
    ("v1alpha1.ignore_def", v1alpha1::part),
    ("v1alpha1.kubernetes_apply_cmd", v1alpha1::part),
    ("v1alpha1.kubernetes_discovery_template_spec", v1alpha1::part),
    ("v1alpha1.kubernetes_image_locator", v1alpha1::part),
    ("v1alpha1.kubernetes_image_object_descriptor", v1alpha1::part),
    ("v1alpha1.kubernetes_watch_ref", v1alpha1::part),
    ("v1alpha1.label_selector", v1alpha1::part),
    ("v1alpha1.label_selector_requirement", v1alpha1::part),
    ("v1alpha1.object_selector", v1alpha1::part),
    ("v1alpha1.pod_log_stream_template_spec", v1alpha1::part),
    ("v1alpha1.port_forward_template_spec", v1alpha1::part),
    ("v1alpha1.probe", v1alpha1::part),
    ("v1alpha1.restart_on_spec", v1alpha1::part),
    ("v1alpha1.start_on_spec", v1alpha1::part),
    ("v1alpha1.tcp_socket_action", v1alpha1::part),
    ("v1alpha1.ui_bool_input_spec", v1alpha1::part),
    ("v1alpha1.ui_choice_input_spec", v1alpha1::part),
    ("v1alpha1.ui_component_location", v1alpha1::part),
    ("v1alpha1.ui_hidden_input_spec", v1alpha1::part),
    ("v1alpha1.ui_input_spec", v1alpha1::part),
    ("v1alpha1.ui_text_input_spec", v1alpha1::part),
];

/// Builtins that live in a module of their own.
const MODULES: [&str; 5] = ["config", "os", "shlex", "sys", "v1alpha1"];

/// The module that only built-in extensions see.
const OURS: &str = "coracle";

pub(crate) fn index_of(name: &str) -> Option<usize> {
    TABLE.iter().position(|(n, _)| *n == name)
}

/// The scope of every file, and of those that are part of the program.
pub(crate) fn globals(env: &Env<'_>, is_ours: bool) -> Globals {
    let mut builder = GlobalsBuilder::extended_by(&[LibraryExtension::SetType]);
    crate::guard::set_guards(&mut builder);
    for (name, _) in TABLE.iter().filter(|(n, _)| !n.contains('.')) {
        set_builtin(&mut builder, name, name);
    }
    builder.set(crate::dialect::MARK, true);
    builder.set("TRIGGER_MODE_AUTO", TriggerModeValue { manual: false });
    builder.set("TRIGGER_MODE_MANUAL", TriggerModeValue { manual: true });
    for name in MODULES.into_iter().chain(is_ours.then_some(OURS)) {
        builder.set(name, ModuleValue { name: name.to_owned(), constants: constants(env, name).into() });
    }
    builder.build()
}

/// What a module holds besides functions.
fn constants(env: &Env<'_>, module: &str) -> Vec<(&'static str, Constant)> {
    let text = |path: &std::path::Path| Constant::Text(path.to_string_lossy().into_owned());
    match module {
        "os" => vec![
            ("name", Constant::Text(if cfg!(windows) { "nt" } else { "posix" }.to_owned())),
            ("environ", Constant::Environ(env.environ.clone())),
        ],
        "config" => vec![
            ("tilt_subcommand", Constant::Text(env.settings.subcommand.clone())),
            ("main_path", text(env.tiltfile)),
            ("main_dir", text(env.tiltfile.parent().unwrap_or(env.tiltfile))),
        ],
        "sys" => {
            let program = env.settings.executable.clone();
            let argv = [program.clone(), env.settings.subcommand.clone()].into_iter();
            vec![
                ("executable", Constant::Text(program)),
                ("argv", Constant::Texts(argv.chain(env.settings.args.iter().cloned()).collect())),
            ]
        }
        OURS => vec![("tilt_version", Constant::Text(TILT_VERSION.to_owned()))],
        _ => Vec::new(),
    }
}
