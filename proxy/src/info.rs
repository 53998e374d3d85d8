//! What the page tells about this process.

use crate::config::Settings;
use crate::console::{ChainInfo, Example, Info, ListenerInfo, Registered, Registrations};
use crate::registrar::Registrar;

/// The configuration in force, without secrets.
pub(crate) fn describe(settings: &Settings, examples: &[Example]) -> Info {
    let plan = &settings.plan;
    let mut trunks: Vec<String> = plan.trunks.keys().map(ToString::to_string).collect();
    trunks.sort();
    let mut chains: Vec<ChainInfo> = plan
        .chains
        .values()
        .map(|chain| ChainInfo {
            name: chain.name().to_owned(),
            filters: chain.names().map(ToString::to_string).collect(),
        })
        .collect();
    chains.sort_by(|a, b| a.name.cmp(&b.name));
    Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: plan.node.clone(),
        listeners: plan
            .listeners
            .iter()
            .map(|listener| ListenerInfo {
                name: listener.name.to_string(),
                socket: format!("{}:{}", listener.transport.param(), listener.bind),
                trust: listener.trust.to_string(),
                chain: listener.chain.name().to_owned(),
            })
            .collect(),
        chains,
        trunks,
        domains: settings
            .domains
            .iter()
            .map(|domain| domain.name.clone())
            .collect(),
        registrar: plan.has_users,
        examples: examples.to_vec(),
    }
}

/// Who is registered, `most` of them.
pub(crate) fn registrations(registrar: &Registrar, most: usize) -> Registrations {
    let (users, bindings) = registrar.size();
    let list = registrar.registrations(most).into_iter();
    Registrations {
        users,
        bindings,
        registrations: list
            .map(|shown| Registered {
                user: shown.user,
                contact: filters::escape(&shown.contact),
                source: format!("{}:{}", shown.source.0.param(), shown.source.1),
                q: f32::from(shown.q) / 1000.0,
                expires_s: shown.left.as_secs(),
                agent: shown.agent,
            })
            .collect(),
    }
}
