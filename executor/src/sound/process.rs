//! Another program as a function from bytes to bytes: never through a shell, with its text on the
//! standard input, bounded in time and output, and killed with whoever waits for it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// A program to run once.
pub(super) struct Job {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) input: Vec<u8>,
    pub(super) output_bytes_max: usize,
    pub(super) time_max: Duration,
}

/// Why a program gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobError {
    #[error("{0} cannot be run: {1}")]
    Start(String, std::io::Error),
    #[error("{0} failed: {1}")]
    Failed(String, String),
    #[error("{0} took longer than {1:?}")]
    TimedOut(String, Duration),
    #[error("{0} wrote more than {1} bytes")]
    TooMuch(String, usize),
}

impl Job {
    /// Runs it to its end. Dropping the future kills the program.
    pub(super) async fn run(self) -> Result<Vec<u8>, JobError> {
        let (name, time_max) = (self.name(), self.time_max);
        match tokio::time::timeout(time_max, self.run_unbounded()).await {
            Ok(result) => result,
            Err(_) => Err(JobError::TimedOut(name, time_max)),
        }
    }

    async fn run_unbounded(self) -> Result<Vec<u8>, JobError> {
        let name = self.name();
        let failed = |error: std::io::Error| JobError::Failed(name.clone(), error.to_string());
        let mut child = start(&self.program, &self.arguments)
            .map_err(|error| JobError::Start(name.clone(), error))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let write = async {
            if let Some(mut stdin) = stdin {
                // A program that has read enough closes its end: what it says counts.
                stdin.write_all(&self.input).await.ok();
                stdin.shutdown().await.ok();
            }
        };
        let read = async {
            let mut output = Vec::new();
            if let Some(stdout) = stdout {
                let bound = self.output_bytes_max as u64 + 1;
                stdout.take(bound).read_to_end(&mut output).await?;
            }
            Ok(output)
        };
        // Reading decides: when there is too much of it, the writer need not come to its end.
        tokio::pin!(write);
        tokio::pin!(read);
        let mut written = false;
        let output = loop {
            tokio::select! {
                output = &mut read => break output.map_err(failed)?,
                () = &mut write, if !written => written = true,
            }
        };
        if output.len() > self.output_bytes_max {
            return Err(JobError::TooMuch(name, self.output_bytes_max));
        }
        let status = child.wait().await.map_err(failed)?;
        if !status.success() {
            return Err(JobError::Failed(name, status.to_string()));
        }
        Ok(output)
    }

    fn name(&self) -> String {
        self.program.display().to_string()
    }
}

/// Starts a program with piped standard input and output, an environment of its own that holds
/// only where programs are, and no way to outlive its owner.
pub(super) fn start(program: &PathBuf, arguments: &[OsString]) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.spawn()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn job(program: &str, arguments: &[&str]) -> Job {
        Job {
            program: program.into(),
            arguments: arguments.iter().map(OsString::from).collect(),
            input: Vec::new(),
            output_bytes_max: 1_000_000,
            time_max: Duration::from_secs(10),
        }
    }

    #[tokio::test]
    async fn much_goes_through_a_program_without_a_standstill() {
        let mut job = job("cat", &[]);
        job.input = vec![7; 1_000_000];
        assert_eq!(job.run().await.unwrap(), vec![7; 1_000_000]);
    }

    #[tokio::test]
    async fn bounds_and_failures_are_told() {
        let missing = job("/nonexistent/program", &[]).run().await;
        assert!(matches!(missing, Err(JobError::Start(..))));
        let failed = job("false", &[]).run().await;
        assert!(matches!(failed, Err(JobError::Failed(..))));
        let endless = job("yes", &[]).run().await;
        assert!(matches!(endless, Err(JobError::TooMuch(_, 1_000_000))));
        let mut slow = job("sleep", &["30"]);
        slow.time_max = Duration::from_millis(100);
        let began = Instant::now();
        assert!(matches!(slow.run().await, Err(JobError::TimedOut(..))));
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_program_that_reads_nothing_is_no_standstill() {
        let mut job = job("echo", &["done"]);
        job.input = vec![7; 1_000_000];
        assert_eq!(job.run().await.unwrap(), b"done\n");
    }

    #[tokio::test]
    async fn a_program_is_killed_with_whoever_waits() {
        // The argument is what tells this process from all others.
        let seconds = format!("7{:05}", std::process::id() % 100_000);
        let running = || {
            let line = format!("sleep\0{seconds}\0");
            let processes = std::fs::read_dir("/proc").unwrap().flatten();
            processes
                .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
                .any(|command| command == line.as_bytes())
        };
        let mut job = job("sleep", &[&seconds]);
        job.time_max = Duration::from_secs(3600);
        let run = job.run();
        let given_up = tokio::time::timeout(Duration::from_millis(200), run).await;
        assert!(given_up.is_err());
        for _ in 0..100 {
            if !running() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the program still runs");
    }
}
