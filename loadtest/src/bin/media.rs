//! Five hundred calls that play and record for a minute: how even their packets come, what is lost, what they cost.
//!
//! ```text
//! media [rtpengine] [CALLS [SECONDS]]
//! ```
//!
//! With `rtpengine`, what Debian packages under that name carries the sound instead, without SIP and webhooks.

use std::process::ExitCode;

use loadtest::sounding::{Order, run, run_rtpengine};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    let beside = words.next_if_eq("rtpengine").is_some();
    let numbers: Option<Vec<u64>> = words.map(|word| word.parse().ok()).collect();
    let order = match numbers.as_deref() {
        Some([]) => Order::WHOLE,
        Some([calls]) => Order {
            calls: *calls as usize,
            ..Order::WHOLE
        },
        Some([calls, seconds]) => Order {
            calls: *calls as usize,
            seconds: *seconds,
            ..Order::WHOLE
        },
        _ => {
            eprintln!("media [rtpengine] [CALLS [SECONDS]]");
            return ExitCode::from(2);
        }
    };
    if beside {
        println!("{}", run_rtpengine(&order));
        return ExitCode::SUCCESS;
    }
    let outcome = run(&order);
    println!("{outcome}");
    if outcome.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
