use std::io::Read;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process has to obey SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// What a process has printed so far.
#[derive(Debug, Default)]
pub struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

impl Log {
    /// Everything up to now.
    #[must_use]
    pub fn text(&self) -> String {
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until `find` finds something in the text.
    pub fn wait<T>(&self, within: Duration, mut find: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let until = Instant::now() + within;
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = find(&text) {
                return Some(found);
            }
            let left = until.checked_duration_since(Instant::now())?;
            text = self
                .grown
                .wait_timeout(text, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until the text contains `needle`.
    #[must_use]
    pub fn contains(&self, needle: &str, within: Duration) -> bool {
        self.wait(within, |text| text.contains(needle).then_some(()))
            .is_some()
    }

    /// Adds to it.
    pub(crate) fn push(&self, more: &str) {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(more);
        self.grown.notify_all();
    }

    fn follow(self: Arc<Self>, mut from: impl Read + Send + 'static) {
        thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(count @ 1..) = from.read(&mut chunk) {
                self.push(&String::from_utf8_lossy(&chunk[..count]));
            }
        });
    }
}

/// A process that ends when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    /// Its standard output.
    pub stdout: Arc<Log>,
    /// Its standard error.
    pub stderr: Arc<Log>,
}

impl Process {
    /// Starts a command with both outputs captured.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{name} does not start ({error}): is `make deps` done?")
            });
        let (stdout, stderr) = (Arc::<Log>::default(), Arc::<Log>::default());
        if let Some(pipe) = child.stdout.take() {
            stdout.clone().follow(pipe);
        }
        if let Some(pipe) = child.stderr.take() {
            stderr.clone().follow(pipe);
        }
        let stdin = child.stdin.take();
        Self {
            name: name.to_owned(),
            child,
            stdin,
            stdout,
            stderr,
        }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Both outputs.
    #[must_use]
    pub fn output(&self) -> String {
        self.stdout.text() + &self.stderr.text()
    }

    /// Waits for the end of the process; `None` when it is still running.
    pub fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + within;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() > until {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal by its name (`TERM`, `HUP`, …).
    pub fn signal(&self, signal: &str) {
        // The shell's own: the program of that name is not on every machine.
        let command = format!("kill -{signal} {}", self.id());
        let sent = Command::new("sh").arg("-c").arg(command).status();
        debug_assert!(sent.is_ok(), "every system has a shell");
    }

    /// Ends the process: politely first.
    pub fn stop(&mut self) {
        drop(self.stdin.take());
        if !self.is_running() {
            return;
        }
        self.signal("TERM");
        if self.wait(GRACE).is_none() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            let output = self.output();
            let skipped = output.len().saturating_sub(12_000);
            let tail: String = output.chars().skip(skipped).collect();
            eprintln!("---- {} printed:\n{tail}\n----", self.name);
        }
    }
}
