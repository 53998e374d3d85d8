use std::fmt::Write;
use std::net::SocketAddr;

use crate::ports::free_port;

/// The auth token of every domain of the suite.
pub const AUTH_TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A configuration file in the making: a public and an internal listener, the executor, and what a test adds.
#[derive(Clone, Debug)]
pub struct Config {
    /// The port of the public listeners (UDP and TCP).
    pub sip: u16,
    /// The port of the internal listener.
    pub inside: u16,
    /// The port of the executor.
    pub executor: u16,
    /// The port of the page, of `/healthz` and of `/metrics`.
    pub console: u16,
    host: String,
    workers: u16,
    log: &'static str,
    server_keys: String,
    timers: String,
    inbound: String,
    executor_keys: String,
    webhook_allow: String,
    unmatched: &'static str,
    callers: Option<String>,
    sections: String,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// The plain case: every caller on loopback belongs to the untrusted trunk `caller`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sip: free_port(),
            inside: free_port(),
            executor: free_port(),
            console: free_port(),
            host: "127.0.0.1".to_owned(),
            workers: 2,
            log: "info,hookswitch=debug,executor=debug",
            server_keys: String::new(),
            timers: String::new(),
            inbound: String::new(),
            executor_keys: String::new(),
            webhook_allow: "\"127.0.0.0/8\"".to_owned(),
            unmatched: "reject",
            callers: Some(r#"source = ["127.0.0.0/8", "::1/128"]"#.to_owned()),
            sections: String::new(),
        }
    }

    /// Listens on `[::1]` in place of 127.0.0.1.
    #[must_use]
    pub fn ipv6(self) -> Self {
        self.host("[::1]")
    }

    /// The number of workers; without it there are two.
    #[must_use]
    pub fn workers(mut self, workers: u16) -> Self {
        self.workers = workers;
        self
    }

    /// What is logged; without it everything of our own down to `debug`.
    #[must_use]
    pub fn log(mut self, level: &'static str) -> Self {
        self.log = level;
        self
    }

    /// More keys of `[server]`.
    #[must_use]
    pub fn server_keys(mut self, keys: &str) -> Self {
        self.server_keys = format!("{keys}\n");
        self
    }

    /// Listens on this address, written as in a URI, in place of 127.0.0.1.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Keys of `[timers]`.
    #[must_use]
    pub fn timers(mut self, keys: &str) -> Self {
        self.timers = format!("[timers]\n{keys}\n");
        self
    }

    /// What happens to sources that no trunk knows: `reject`, `silent` or `accept`; and who is the trunk `caller`
    /// (keys of its table), if anybody.
    #[must_use]
    pub fn callers(mut self, unmatched: &'static str, trunk: Option<&str>) -> Self {
        self.unmatched = unmatched;
        self.callers = trunk.map(str::to_owned);
        self
    }

    /// Filters between `trunk` and `record_route` of the inbound chain, in place of `uri_headers`.
    #[must_use]
    pub fn inbound(mut self, filters: &str) -> Self {
        self.inbound = filters.to_owned();
        self
    }

    /// The networks that webhooks may have though they are not public; without it 127.0.0.0/8.
    #[must_use]
    pub fn webhook_allow(mut self, networks: &str) -> Self {
        networks.clone_into(&mut self.webhook_allow);
        self
    }

    /// More keys of `[executor]`.
    #[must_use]
    pub fn executor_keys(mut self, keys: &str) -> Self {
        self.executor_keys.push_str(keys);
        self.executor_keys.push('\n');
        self
    }

    /// A SIP domain whose calls ask `voice_url`.
    #[must_use]
    pub fn domain(self, name: &str, voice_url: &str) -> Self {
        self.domain_with(name, voice_url, "")
    }

    /// The same with more keys.
    #[must_use]
    pub fn domain_with(self, name: &str, voice_url: &str, keys: &str) -> Self {
        self.section(&format!(
            "[[domain]]\nname = {name:?}\nauth_token = {AUTH_TOKEN:?}\nvoice_url = {voice_url:?}\n{keys}\n"
        ))
    }

    /// A trunk, with its targets in order (each after the one before), whose requests leave by the chain `origination`.
    #[must_use]
    pub fn trunk(self, name: &str, source: &str, targets: &[&str]) -> Self {
        self.trunk_with(name, source, targets, "trust = \"untrusted\"")
    }

    /// The same with other keys of the trunk.
    #[must_use]
    pub fn trunk_with(mut self, name: &str, source: &str, targets: &[&str], keys: &str) -> Self {
        let text = &mut self.sections;
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        line("[[trunk]]".to_owned());
        line(format!(
            "name = {name:?}\nsource = [{source:?}]\nchain = \"origination\"\n{keys}"
        ));
        for (index, uri) in targets.iter().enumerate() {
            let priority = 10 * (index + 1);
            line(format!(
                "[[trunk.target]]\nuri = {uri:?}\npriority = {priority}"
            ));
        }
        self
    }

    /// A route: requests to this host leave by this trunk.
    #[must_use]
    pub fn route(self, host: &str, trunk: &str) -> Self {
        let name = format!("to-{trunk}");
        self.section(&format!(
            "[[route]]\nname = {name:?}\nruri_host = [{host:?}]\nto = \"trunk\"\ntrunk = {trunk:?}\n"
        ))
    }

    /// Anything else.
    #[must_use]
    pub fn section(mut self, toml: &str) -> Self {
        self.sections.push_str(toml);
        self.sections.push('\n');
        self
    }

    /// Where callers send their requests.
    ///
    /// # Panics
    ///
    /// Never: the address is made of parts that fit.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        format!("{}:{}", self.host, self.sip)
            .parse()
            .expect("an address and a port")
    }

    /// The whole file.
    #[must_use]
    pub fn text(&self) -> String {
        let Self {
            sip,
            inside,
            executor,
            console,
            host,
            ..
        } = self;
        let Self {
            workers,
            log,
            server_keys,
            timers,
            ..
        } = self;
        let mut text = format!(
            "[server]\nworkers = {workers}\nnode = \"test\"\nsecret = \"the secret of the suite, long enough\"\n\
             console = \"127.0.0.1:{console}\"\nlog = \"{log}\"\n{server_keys}\n{timers}\n"
        );
        for transport in ["udp", "tcp"] {
            listener(
                &mut text,
                transport,
                "public",
                &format!("{host}:{sip}"),
                "untrusted",
                "inbound",
            );
        }
        listener(
            &mut text,
            "udp",
            "inside",
            &format!("127.0.0.1:{inside}"),
            "internal",
            "inside",
        );
        // Trunks of a test come first: they are more particular than `caller`.
        text.push_str(&self.sections);
        if let Some(keys) = &self.callers {
            push(
                &mut text,
                &format!("[[trunk]]\nname = \"caller\"\ntrust = \"untrusted\"\n{keys}\n"),
            );
        }
        let filters = if self.inbound.is_empty() {
            "[[chain.filter]]\ntype = \"uri_headers\""
        } else {
            &self.inbound
        };
        push(
            &mut text,
            &format!(
                "[[chain]]\nname = \"inbound\"\n[[chain.filter]]\ntype = \"sanity\"\n[[chain.filter]]\ntype = \"trunk\"\n\
             no_match = \"{}\"\n{filters}\n[[chain.filter]]\ntype = \"record_route\"\n[[chain.filter]]\ntype = \"access_log\"\n",
                self.unmatched
            ),
        );
        push(
            &mut text,
            "[[chain]]\nname = \"inside\"\n[[chain.filter]]\ntype = \"sanity\"\n[[chain.filter]]\ntype = \"record_route\"\n\
             [[chain.filter]]\ntype = \"access_log\"\n\n\
             [[chain]]\nname = \"origination\"\n[[chain.filter]]\ntype = \"uri_headers\"\nothers = \"drop\"\n",
        );
        push(
            &mut text,
            &format!(
                "[executor]\nlisten = \"udp:127.0.0.1:{executor}\"\nwebhook_allow = [{}]\n{}",
                self.webhook_allow, self.executor_keys
            ),
        );
        text
    }
}

fn listener(
    text: &mut String,
    transport: &str,
    name: &str,
    socket: &str,
    trust: &str,
    chain: &str,
) {
    push(
        text,
        &format!(
            "[[listen]]\nname = \"{name}-{transport}\"\nsocket = \"{transport}:{socket}\"\ntrust = \"{trust}\"\nchain = \"{chain}\"\n"
        ),
    );
}

fn push(text: &mut String, section: &str) {
    writeln!(text, "{section}").expect("a String takes everything");
}
