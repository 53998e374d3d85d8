//! Finds the C parsers that are installed, and compiles a shim for each.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(osip, sofia)");
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "peers")]
    peers::build();
}

#[cfg(feature = "peers")]
mod peers {
    /// The name of the `cfg` and of the shim, the name for pkg-config, the Debian package.
    const PARSERS: [(&str, &str, &str); 2] = [
        ("osip", "libosip2", "libosip2-dev"),
        ("sofia", "sofia-sip-ua", "libsofia-sip-ua-dev"),
    ];

    pub(super) fn build() {
        println!("cargo::rerun-if-changed=src/c");
        for (name, module, package) in PARSERS {
            match pkg_config::probe_library(module) {
                Ok(library) => {
                    cc::Build::new()
                        .file(format!("src/c/{name}.c"))
                        .include("src/c")
                        .includes(library.include_paths)
                        .opt_level(2)
                        .compile(&format!("peer_{name}"));
                    println!("cargo::rustc-cfg={name}");
                    println!("cargo::rustc-env=PEER_{name}={}", library.version);
                }
                Err(_) => println!("cargo::warning={module} is left out: no {package} here"),
            }
        }
    }
}
