//! `hookswitch demo`: proxy, executor and a webhook application, with nothing to set up.

mod webhook;

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use pingora_core::apps::http_app::HttpServer;
use pingora_core::services::listening::Service;

use crate::cli::{fail, say};
use crate::config::Loader;
use crate::console::Example;
use crate::logging;
use crate::server::{self, Launch};

/// Where the parts of the demo listen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    /// The address that SIP listens on.
    pub bind: IpAddr,
    /// Its port.
    pub sip_port: u16,
    /// The web page.
    pub console: SocketAddr,
    /// The webhook application.
    pub webhook: SocketAddr,
    /// The proxy's inner side, on loopback.
    pub internal_port: u16,
    /// The executor, on loopback.
    pub executor_port: u16,
}

/// Runs the demo until it is told to stop.
pub(crate) fn run(ports: &Ports, loader: &Loader) -> ExitCode {
    let settings = match loader.parse("demo.toml", &configuration(ports)) {
        Ok(settings) => settings,
        Err(errors) => return fail(errors),
    };
    if let Err(error) = logging::start(&settings.server) {
        return fail(error);
    }
    if let Err(error) = std::net::TcpListener::bind(ports.webhook) {
        return fail(format_args!(
            "cannot listen on tcp:{}: {error}",
            ports.webhook
        ));
    }
    let mut application = Service::new(
        "demo-webhook".to_owned(),
        HttpServer::new_app(webhook::Application),
    );
    application.add_tcp(&ports.webhook.to_string());
    let examples = examples(ports);
    let launch = Launch {
        settings,
        filter_counters: loader.counters.clone(),
        reload: None,
        ready: {
            let examples = examples.clone();
            let console = ports.console;
            Box::new(move || announce(&examples, console))
        },
        examples,
        services: vec![Box::new(application)],
    };
    match server::serve(launch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

fn announce(examples: &[Example], console: SocketAddr) {
    say("\nHookswitch is up. Any user part reaches the demo application; paste one of these:\n");
    for example in examples {
        say(format_args!(
            "  {}:\n      {}",
            example.label, example.command
        ));
    }
    say(format_args!("\nWatch the calls at http://{console}\n"));
}

/// The three lines to paste.
fn examples(ports: &Ports) -> Vec<Example> {
    // A wildcard bind is reached by loopback.
    let host = match ports.bind {
        ip if ip.is_unspecified() && ip.is_ipv4() => IpAddr::from([127, 0, 0, 1]),
        ip if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    let target = SocketAddr::new(host, ports.sip_port);
    let example = |label: &str, command: String| Example {
        label: label.to_owned(),
        command,
    };
    vec![
        example(
            "A call with SIPp",
            format!("sipp -sn uac {target} -s demo -m 1"),
        ),
        example(
            "OPTIONS with sipsak",
            format!("sipsak -vv -s sip:demo@{target}"),
        ),
        example(
            "Dial this from baresip or linphone",
            format!("sip:demo@{target}"),
        ),
    ]
}

/// The demo's configuration: what `deploy/hookswitch.toml` explains, on one machine.
fn configuration(ports: &Ports) -> String {
    let public = SocketAddr::new(ports.bind, ports.sip_port);
    let (internal, executor) = (ports.internal_port, ports.executor_port);
    let (console, webhook) = (ports.console, ports.webhook);
    format!(
        r#"
[server]
node = "demo"
console = "{console}"
log = "info,pingora_core=warn"

[[listen]]
name = "public-udp"
socket = "udp:{public}"
chain = "inbound"

[[listen]]
name = "public-tcp"
socket = "tcp:{public}"
chain = "inbound"

[[listen]]
name = "internal"
socket = "udp:127.0.0.1:{internal}"
trust = "internal"
chain = "internal"

[[domain]]
name = "*"
auth_token = "demo"
voice_url = "http://{webhook}/voice?customParameter=xxxxxxxxx&customValue=true"

[executor]
listen = "udp:127.0.0.1:{executor}"
webhook_allow = ["127.0.0.0/8", "::1/128"]

[[chain]]
name = "inbound"
  [[chain.filter]]
  type = "sanity"
  [[chain.filter]]
  type = "trunk"
  no_match = "accept"
  [[chain.filter]]
  type = "uri_headers"
  [[chain.filter]]
  type = "x_headers"
  rules = [
    {{ op = "remove", header = "X-Internal-*" }},
    {{ op = "allow", header = ["X-*"] }},
    {{ op = "add", header = "X-Edge", value = "demo" }},
  ]
  [[chain.filter]]
  type = "record_route"
  [[chain.filter]]
  type = "access_log"

[[chain]]
name = "internal"
  [[chain.filter]]
  type = "sanity"
  [[chain.filter]]
  type = "record_route"
  [[chain.filter]]
  type = "access_log"
"#
    )
}
