//! What the page tells about this process.

use crate::config::Settings;
use crate::console::{ChainInfo, Example, Info, ListenerInfo};

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
        examples: examples.to_vec(),
    }
}
