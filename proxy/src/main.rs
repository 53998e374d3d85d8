//! The `hookswitch` binary: the built-in filters and nothing else.

fn main() -> std::process::ExitCode {
    hookswitch::run(filters::Registry::builtin())
}
