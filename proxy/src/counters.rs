//! What is counted: one set a worker, read by `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($(#[doc = $doc:literal] $name:ident = $metric:literal,)*) => {
        /// Counters of one worker. Relaxed: each is exact, no order between them is promised.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(#[doc = $doc] pub $name: AtomicU64,)*
        }

        impl Counters {
            /// Metric name, help text and value of each counter.
            pub fn read(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$(($metric, $doc.trim_ascii(), self.$name.load(Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Requests received.
    requests_received = "hookswitch_requests_received_total",
    /// Responses received.
    responses_received = "hookswitch_responses_received_total",
    /// Requests sent.
    requests_sent = "hookswitch_requests_sent_total",
    /// Responses sent.
    responses_sent = "hookswitch_responses_sent_total",
    /// Datagrams and frames that are no SIP message.
    parse_errors = "hookswitch_parse_errors_total",
    /// Messages that break a rule which routing depends on.
    faults = "hookswitch_faults_total",
    /// Responses that match no transaction; dropped.
    stray_responses = "hookswitch_stray_responses_total",
    /// ACKs that match nothing and lead nowhere; dropped.
    stray_acks = "hookswitch_stray_acks_total",
    /// Requests that filters refused.
    filter_refusals = "hookswitch_filter_refusals_total",
    /// Requests and responses that filters dropped.
    filter_drops = "hookswitch_filter_drops_total",
    /// Requests that the router refused.
    route_refusals = "hookswitch_route_refusals_total",
    /// Attempts that went to another address or target.
    failovers = "hookswitch_failovers_total",
    /// Reserved headers taken off at a boundary.
    reserved_stripped = "hookswitch_reserved_headers_stripped_total",
    /// Requests that were asked for credentials.
    challenges = "hookswitch_challenges_total",
    /// Credentials that were wrong.
    credentials_wrong = "hookswitch_credentials_wrong_total",
    /// Credentials not looked at, because their source had guessed too often.
    guesses_blocked = "hookswitch_guesses_blocked_total",
    /// REGISTERs that were done.
    registers = "hookswitch_registers_total",
    /// Requests refused for lack of room or time.
    overload = "hookswitch_overload_total",
    /// New requests left without an answer, because even refusing them would have taken too long.
    overload_ignored = "hookswitch_overload_ignored_total",
    /// Loops found.
    loops = "hookswitch_loops_total",
    /// Route tokens that were not ours.
    forged_routes = "hookswitch_forged_routes_total",
    /// Messages handed to the worker that owns the call.
    handovers = "hookswitch_handovers_total",
    /// Messages lost because the owner's ring was full.
    handovers_lost = "hookswitch_handovers_lost_total",
    /// Datagrams that the kernel would not send.
    send_errors = "hookswitch_send_errors_total",
    /// Datagrams that the kernel dropped because the receive buffer was full.
    receive_drops = "hookswitch_receive_drops_total",
    /// Names that could not be resolved.
    resolve_errors = "hookswitch_resolve_errors_total",
    /// Workers that let in only a part of what is new (a gauge).
    shedding = "hookswitch_shedding_workers",
    /// Exchanges in progress (a gauge).
    exchanges = "hookswitch_exchanges",
    /// Transactions in progress (a gauge).
    transactions = "hookswitch_transactions",
    /// Finished transactions kept for retransmissions (a gauge).
    tombstones = "hookswitch_tombstones",
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
