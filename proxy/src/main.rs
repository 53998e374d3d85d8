//! The `hookswitch` binary: the built-in filters and nothing else.

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    hookswitch::run(filters::Registry::builtin())
}
