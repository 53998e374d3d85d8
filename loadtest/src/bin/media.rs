//! Five hundred calls that play and record for a minute: how even their packets come, what is lost, what they cost.
//!
//! ```text
//! media [CALLS [SECONDS]]
//! ```

use std::process::ExitCode;

use loadtest::sounding::{Order, run};

fn main() -> ExitCode {
    let numbers: Option<Vec<u64>> = std::env::args()
        .skip(1)
        .map(|word| word.parse().ok())
        .collect();
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
            eprintln!("media [CALLS [SECONDS]]");
            return ExitCode::from(2);
        }
    };
    let outcome = run(&order);
    println!("{outcome}");
    if outcome.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
