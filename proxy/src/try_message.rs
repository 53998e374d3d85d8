//! `hookswitch try`: one message in; what each filter did to it, the result and the decision out.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use clap::Args;
use filters::{Branch, Chain, Context, Flow, Relay, Source, Target, Trace, Trust};
use sip::{Message, Request, Response, Transport};

use crate::cli::{fail, say};
use crate::config::{Loader, load};
use crate::plan::Plan;

/// Arguments of `hookswitch try`.
#[derive(Args, Debug)]
pub(crate) struct TryArguments {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// The chain.
    #[arg(long, value_name = "NAME")]
    chain: String,
    /// Where the message is said to come from.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5060")]
    source: SocketAddr,
    /// The listener that it is said to come in by; the first with this chain where absent.
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// A target to run the chain's branch hooks for: a SIP URI with its headers.
    #[arg(long, value_name = "URI")]
    target: Option<String>,
    /// How far that target is trusted.
    #[arg(long, value_name = "CLASS", default_value = "untrusted")]
    target_trust: Trust,
    /// The message; lines may end in LF, which is read as CRLF.
    #[arg(value_name = "MESSAGE.sip")]
    message: PathBuf,
}

/// Runs the command: exit code 0 where the message passes, 1 where it is refused, 2 on bad input.
pub(crate) fn run(arguments: &TryArguments, loader: &Loader) -> ExitCode {
    let settings = match load(&arguments.config, loader) {
        Ok(settings) => settings,
        Err(errors) => return fail(errors),
    };
    let plan = &settings.plan;
    let Some(chain) = find_chain(plan, &arguments.chain) else {
        let mut known: Vec<&str> = plan.chains.keys().map(|name| &**name).collect();
        known.sort_unstable();
        return fail(format_args!(
            "no chain `{}`; expected one of {}",
            arguments.chain,
            known.join(", ")
        ));
    };
    let bytes = match std::fs::read(&arguments.message) {
        Ok(bytes) => wire_form(bytes),
        Err(error) => {
            return fail(format_args!(
                "{}: cannot be read: {error}",
                arguments.message.display()
            ));
        }
    };
    let message = match sip::parse(bytes, &plan.message_limits) {
        Ok(message) => message,
        Err(error) => {
            let (status, reason) = error.status();
            return fail(format_args!(
                "{}: no SIP message: {} (the proxy answers {status} {reason})",
                arguments.message.display(),
                error.label()
            ));
        }
    };
    let Some(source) = source(arguments, plan, &chain) else {
        return fail(format_args!(
            "no listener `{}`",
            arguments.listener.as_deref().unwrap_or_default()
        ));
    };
    match message {
        Message::Request(request) => try_request(arguments, &chain, request, source, plan),
        Message::Response(response) => try_response(arguments, &chain, response, source),
    }
}

fn try_request(
    arguments: &TryArguments,
    chain: &Chain,
    mut request: Request,
    source: Source,
    plan: &Plan,
) -> ExitCode {
    if let Err(fault) = sip::check_request(&request, &plan.message_limits) {
        let header = fault.header().as_str();
        return fail(format_args!(
            "the proxy answers 400 Bad Request: {} {header}",
            fault.label()
        ));
    }
    if source.trust != Trust::Internal {
        filters::reserved::strip(&mut request.headers);
    }
    let in_dialog = false;
    let mut cx = Context::new(source, request.method(), in_dialog);
    let (verdict, steps) = traced(|trace| chain.request_traced(&mut request, &mut cx, trace));
    say(steps.trim_end());
    let decision = match verdict {
        Flow::Continue => None,
        Flow::Drop(reason) => Some(format!("drop ({})", reason.as_str())),
        Flow::Reply(reply) => Some(format!(
            "reply {} {} ({})",
            reply.status,
            reply.reason,
            reply.cause.as_str()
        )),
        Flow::Wait(_) => {
            Some("wait: the filter would ask elsewhere, which `try` does not".to_owned())
        }
    };
    if let Some(decision) = decision {
        say(format_args!("\ndecision: {decision}"));
        return ExitCode::from(1);
    }
    if let Some(uri) = &arguments.target {
        let target = Target {
            uri: Bytes::from(uri.clone()),
            trunk: None,
            trust: arguments.target_trust,
        };
        let (verdict, steps) =
            traced(|trace| chain.branch_traced(&mut request, &target, &mut cx, trace));
        say(format_args!("\nbranch to {uri}\n{}", steps.trim_end()));
        if let Branch::Skip(reason) = verdict {
            say(format_args!(
                "\ndecision: skip this target ({})",
                reason.as_str()
            ));
            return ExitCode::from(1);
        }
        if target.trust != Trust::Internal {
            filters::reserved::strip(&mut request.headers);
        }
    }
    say(format_args!(
        "\ndecision: continue (record_route {})\n",
        cx.facts.record_route
    ));
    say(shown(&request.to_bytes()));
    ExitCode::SUCCESS
}

fn try_response(
    arguments: &TryArguments,
    chain: &Chain,
    mut response: Response,
    source: Source,
) -> ExitCode {
    let target = Target {
        uri: Bytes::from(
            arguments
                .target
                .clone()
                .unwrap_or_else(|| format!("sip:{}", source.address)),
        ),
        trunk: None,
        trust: arguments.target_trust,
    };
    let mut cx = Context::new(source, sip::Method::Invite, false);
    let (verdict, steps) =
        traced(|trace| chain.response_traced(&mut response, Some(&target), &mut cx, trace));
    say(steps.trim_end());
    if let Relay::Drop(reason) = verdict {
        say(format_args!("\ndecision: drop ({})", reason.as_str()));
        return ExitCode::from(1);
    }
    say("\ndecision: forward\n");
    say(shown(&response.to_bytes()));
    ExitCode::SUCCESS
}

/// Runs `hook` and describes what each filter did.
fn traced<T>(hook: impl FnOnce(&mut Trace<'_>) -> T) -> (T, String) {
    let start = Instant::now();
    let mut clock = move || start.elapsed().as_nanos() as u64;
    let mut trace = Trace::new(&mut clock);
    let verdict = hook(&mut trace);
    let mut text = String::new();
    for step in &trace.steps {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<14} {:>8} ns  {}",
            step.filter, step.nanos, step.decision
        );
        for change in &step.changes {
            let _ = writeln!(text, "    {change}");
        }
    }
    (verdict, text)
}

fn find_chain(plan: &Plan, name: &str) -> Option<Arc<Chain>> {
    let by_trunk = || {
        let chains = plan
            .trunks
            .values()
            .filter_map(|trunk| trunk.chain.as_ref());
        chains.into_iter().find(|chain| chain.name() == name)
    };
    plan.chains.get(name).or_else(by_trunk).cloned()
}

fn source(arguments: &TryArguments, plan: &Plan, chain: &Chain) -> Option<Source> {
    let listener = match &arguments.listener {
        Some(name) => Some(
            plan.listeners
                .iter()
                .find(|listener| *listener.name == **name)?,
        ),
        None => plan
            .listeners
            .iter()
            .find(|listener| listener.chain.name() == chain.name()),
    };
    Some(Source {
        address: arguments.source,
        local: listener.map_or(arguments.source, |listener| listener.bind),
        transport: listener.map_or(Transport::Udp, |listener| listener.transport),
        listener: listener.map_or_else(|| Arc::from("none"), |listener| listener.name.clone()),
        trust: listener.map_or(Trust::Untrusted, |listener| listener.trust),
    })
}

/// A message that a person wrote: LF is read as CRLF, and a missing empty line is added.
fn wire_form(bytes: Vec<u8>) -> Bytes {
    if memchr::memmem::find(&bytes, b"\r\n").is_some() {
        return Bytes::from(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len() + 64);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        out.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    if memchr::memmem::find(&out, b"\r\n\r\n").is_none() {
        out.extend_from_slice(b"\r\n");
    }
    Bytes::from(out)
}

/// The message for a terminal: control bytes other than line ends are escaped.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(bytes).replace("\r\n", "\n").chars() {
        match c {
            '\n' | '\t' => text.push(c),
            c if c.is_control() => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    text
}
