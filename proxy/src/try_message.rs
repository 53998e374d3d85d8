//! `hookswitch try`: one message in; what each filter did to it, the result and the decision out.

use std::collections::BTreeSet;
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
use crate::plan::{Plan, Trunk};

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
    /// A target to run the chain's branch hooks for: a SIP URI with its headers. For a trunk's
    /// chain the trunk's first where absent.
    #[arg(long, value_name = "URI")]
    target: Option<String>,
    /// How far that target is trusted: untrusted, partner or internal; untrusted where absent.
    #[arg(long, value_name = "CLASS")]
    target_trust: Option<Trust>,
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
    let Some((chain, trunk)) = find_chain(plan, &arguments.chain) else {
        let known = chain_names(plan);
        return fail(format_args!(
            "no chain `{}`; expected one of {}",
            arguments.chain,
            Vec::from_iter(known).join(", ")
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
    let trial = Trial {
        target: target(arguments, trunk.as_deref(), &source),
        named: arguments.target.is_some() || trunk.is_some(),
        for_trunk: trunk.is_some(),
        chain,
        source,
    };
    match message {
        Message::Request(request) => trial.request(request, plan),
        Message::Response(response) => trial.response(response),
    }
}

/// What a message is run through.
struct Trial {
    chain: Arc<Chain>,
    source: Source,
    /// Where a request goes, or a response comes from.
    target: Target,
    /// Whether the target was asked for, or follows from the chain.
    named: bool,
    /// Whether this is a trunk's chain, of which only branch and response hooks run.
    for_trunk: bool,
}

impl Trial {
    fn request(self, mut request: Request, plan: &Plan) -> ExitCode {
        if let Err(fault) = sip::check_request(&request, &plan.message_limits) {
            let header = fault.header().as_str();
            return fail(format_args!(
                "the proxy answers 400 Bad Request: {} {header}",
                fault.label()
            ));
        }
        let outside = self.source.trust != Trust::Internal;
        let mut cx = Context::new(self.source, request.method(), false);
        if !self.for_trunk {
            if outside {
                strip_reserved(&mut request.headers, "comes from outside");
            }
            let (verdict, steps) =
                traced(|trace| self.chain.request_traced(&mut request, &mut cx, trace));
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
        }
        if self.named {
            let uri = String::from_utf8_lossy(&self.target.uri);
            let gap = if self.for_trunk { "" } else { "\n" };
            say(format_args!("{gap}branch to {uri}"));
            let to = sip::Uri::parse(&self.target.uri)
                .ok()
                .filter(|uri| uri.user.is_some());
            if let Some(to) = to
                && request.set_uri(to.without_headers()).is_err()
            {
                return fail("the target cannot be written into the Request-URI");
            }
            let (verdict, steps) = traced(|trace| {
                self.chain
                    .branch_traced(&mut request, &self.target, &mut cx, trace)
            });
            say(steps.trim_end());
            if let Branch::Skip(reason) = verdict {
                say(format_args!(
                    "\ndecision: skip this target ({})",
                    reason.as_str()
                ));
                return ExitCode::from(1);
            }
            if self.target.trust != Trust::Internal {
                strip_reserved(&mut request.headers, "goes outside");
            }
        }
        let recorded = if cx.facts.record_route {
            ", and stay in the dialog (Record-Route)"
        } else {
            ""
        };
        say(format_args!("\ndecision: continue{recorded}\n"));
        say(shown(&request.to_bytes()).trim_end());
        ExitCode::SUCCESS
    }

    fn response(self, mut response: Response) -> ExitCode {
        let outside = self.source.trust != Trust::Internal;
        if self.target.trust != Trust::Internal {
            strip_reserved(&mut response.headers, "comes from outside");
        }
        let mut cx = Context::new(self.source, sip::Method::Invite, false);
        let (verdict, steps) = traced(|trace| {
            self.chain
                .response_traced(&mut response, Some(&self.target), &mut cx, trace)
        });
        say(steps.trim_end());
        if let Relay::Drop(reason) = verdict {
            say(format_args!("\ndecision: drop ({})", reason.as_str()));
            return ExitCode::from(1);
        }
        if outside {
            strip_reserved(&mut response.headers, "goes outside");
        }
        say("\ndecision: forward\n");
        say(shown(&response.to_bytes()).trim_end());
        ExitCode::SUCCESS
    }
}

/// Does and shows what the pipeline does to reserved headers at a boundary, whatever the rules say.
fn strip_reserved(headers: &mut sip::Headers, why: &str) {
    let reserved = |header: &sip::Header<'_>| filters::reserved::is_reserved(header.name);
    let found: Vec<String> = headers
        .iter()
        .filter(reserved)
        .map(|header| shown(&[header.name, b": ", header.value].concat()))
        .collect();
    if found.is_empty() {
        return;
    }
    say(format_args!(
        "{:<14} {:>8}     reserved headers are taken off what {why}",
        "(boundary)", ""
    ));
    for header in found {
        say(format_args!("    - {header}"));
    }
    filters::reserved::strip(headers);
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
        writeln!(
            text,
            "{:<14} {:>8} ns  {}",
            step.filter, step.nanos, step.decision
        )
        .unwrap_or_default();
        for change in &step.changes {
            writeln!(text, "    {change}").unwrap_or_default();
        }
    }
    (verdict, text)
}

/// The chain of that name, and the trunk where it is only a trunk's.
fn find_chain(plan: &Plan, name: &str) -> Option<(Arc<Chain>, Option<Arc<Trunk>>)> {
    if let Some(chain) = plan.chains.get(name) {
        return Some((chain.clone(), None));
    }
    let mut trunks: Vec<&Arc<Trunk>> = plan.trunks.values().collect();
    trunks.sort_by_key(|trunk| &trunk.name);
    trunks.into_iter().find_map(|trunk| {
        let chain = trunk.chain.as_ref().filter(|chain| chain.name() == name)?;
        Some((chain.clone(), Some(trunk.clone())))
    })
}

/// The names of all chains, those of trunks too.
pub(crate) fn chain_names(plan: &Plan) -> BTreeSet<String> {
    let trunks = plan
        .trunks
        .values()
        .filter_map(|trunk| trunk.chain.as_ref());
    let chains = plan.chains.values().chain(trunks);
    chains.map(|chain| chain.name().to_owned()).collect()
}

/// The target that was asked for, else the trunk's first, else one at the source.
fn target(arguments: &TryArguments, trunk: Option<&Trunk>, source: &Source) -> Target {
    let first = trunk.and_then(|trunk| trunk.targets.first());
    Target {
        uri: match (&arguments.target, first) {
            (Some(uri), _) => Bytes::from(uri.clone()),
            (None, Some(first)) => first.uri.clone(),
            (None, None) => Bytes::from(format!("sip:{}", source.address)),
        },
        trunk: trunk.map(|trunk| trunk.name.clone()),
        trust: match (arguments.target_trust, trunk) {
            (Some(trust), _) => trust,
            (None, Some(trunk)) => trunk.trust,
            (None, None) => Trust::Untrusted,
        },
    }
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
