use std::fmt;
use std::process::Command;

/// What a count depends on beside our code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// The instruction set, which chooses the line scan of `sip` and the copies of libc.
    pub(crate) cpu: String,
    /// The version of the compiler.
    pub(crate) rustc: String,
    /// The version of the C library, whose allocator and copies are part of a count.
    pub(crate) libc: String,
}

impl Machine {
    /// The one that this runs on.
    pub(crate) fn this() -> Self {
        Self {
            cpu: cpu(),
            rustc: word(&output("rustc", &["--version"]), 1),
            libc: output("getconf", &["GNU_LIBC_VERSION"]),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, rustc {}, {}", self.cpu, self.rustc, self.libc)
    }
}

#[cfg(target_arch = "x86_64")]
fn cpu() -> String {
    // Valgrind shows its guest AVX2 where the machine has it, and nothing newer.
    let avx2 = std::arch::is_x86_feature_detected!("avx2");
    format!("x86_64 with{} AVX2", if avx2 { "" } else { "out" })
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu() -> String {
    std::env::consts::ARCH.to_owned()
}

fn word(text: &str, at: usize) -> String {
    text.split(' ').nth(at).unwrap_or_default().to_owned()
}

/// What a command prints; "unknown" where it is not there.
fn output(command: &str, arguments: &[&str]) -> String {
    match Command::new(command).args(arguments).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}
