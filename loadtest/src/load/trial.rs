use std::process::Command;
use std::time::Duration;

use super::subject::{Side, beside, leashed};
use super::{Failure, Order, Place};
use crate::generator::Report;
use crate::{Process, Scratch};

/// A run of the generator that has begun.
#[derive(Debug)]
pub struct Trial {
    process: Process,
    patience: Duration,
    _scratch: Scratch,
}

impl Trial {
    /// Begins to call. The process trees of `watch` are measured by the generator in mid-run.
    #[must_use]
    pub fn begin(order: &Order, place: Place, watch: &[u32]) -> Self {
        let scratch = Scratch::new("generate");
        let text = toml::to_string(order).expect("an order has nothing that TOML cannot say");
        let file = scratch.write("order.toml", text);
        let mut command: Command = leashed(Side::Ends);
        command.arg(beside("generate")).arg("--config").arg(&file);
        let addresses = [
            ("--target", place.edge),
            ("--caller", place.caller),
            ("--callee", place.callee),
        ];
        for (option, address) in addresses {
            command.args([option, &address.to_string()]);
        }
        for id in watch {
            command.args(["--watch-pid", &id.to_string()]);
        }
        let seconds = order.seconds() + order.drain.unwrap_or(DRAIN_DEFAULT) + SLACK;
        Self {
            process: Process::start("generate", &mut command),
            patience: Duration::from_secs_f64(seconds),
            _scratch: scratch,
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// When it does not end, or says nothing that can be read.
    pub fn finish(mut self) -> Result<Report, Failure> {
        let status = self.process.wait(self.patience);
        if !status.is_some_and(|status| status.success()) {
            let errors = self.process.stderr.text();
            return Err(Failure(format!(
                "the generator gave up ({status:?}): {errors}"
            )));
        }
        // The pipe is read by another thread, which may not have come to its end.
        let read = |text: &str| serde_json::from_str::<Report>(text).ok();
        let report = self.process.stdout.wait(READ, read);
        report.ok_or_else(|| {
            let text = self.process.stdout.text();
            let error = serde_json::from_str::<Report>(&text).err();
            Failure(format!("the generator's report cannot be read: {error:?}"))
        })
    }
}

/// What the generator takes where the order is silent, in seconds.
const DRAIN_DEFAULT: f64 = 33.0;

/// How much longer than it should a run may take, in seconds.
const SLACK: f64 = 30.0;

/// How long its report may take through the pipe.
const READ: Duration = Duration::from_secs(2);
