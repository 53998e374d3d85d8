//! `[[route]]`: rules and where they lead.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use regex::Regex;
use sip::Method;

use super::error::Report;
use super::file;
use super::load::{Placed, Sections};
use crate::plan::{Domain, Route, RouteTo, RouteWhen, StaticTarget, Trunk};

pub(super) fn routes(
    sections: &Sections<'_>,
    trunks: &HashMap<Arc<str>, Arc<Trunk>>,
    domains: &HashMap<String, Arc<Domain>>,
    any: Option<&Arc<Domain>>,
    report: &mut Report<'_>,
) -> Vec<Route> {
    let mut routes = Vec::new();
    for route in &sections.route {
        let file = &route.value;
        let ruri_user = match file.ruri_user.as_deref().map(Regex::new) {
            None => None,
            Some(Ok(pattern)) => Some(pattern),
            Some(Err(error)) => {
                report.add(
                    route.span("ruri_user"),
                    route.key("ruri_user"),
                    format!("no regular expression: {}", last_line(&error.to_string())),
                );
                continue;
            }
        };
        for name in &file.from_trunk {
            if trunks.contains_key(name.as_str()) {
                continue;
            }
            sections.check_name(route, "from_trunk", "trunk", name, report);
        }
        let methods: Vec<Method> = file
            .method
            .iter()
            .map(|name| Method::of(name.as_bytes()))
            .collect();
        if let Some(index) = methods.iter().position(|method| *method == Method::Other) {
            let message = format!("unknown method `{}`", file.method[index]);
            report.add(route.span("method"), route.key("method"), message);
        }
        let Some(to) = destination(route, trunks, domains, any, sections, report) else {
            continue;
        };
        routes.push(Route {
            name: file.name.clone(),
            when: RouteWhen {
                from_trust: file
                    .from_trust
                    .iter()
                    .map(|trust| (*trust).into())
                    .collect(),
                from_trunk: file.from_trunk.clone(),
                methods,
                ruri_hosts: file.ruri_host.clone(),
                ruri_user,
            },
            to,
        });
    }
    routes
}

fn destination(
    route: &Placed<'_, file::Route>,
    trunks: &HashMap<Arc<str>, Arc<Trunk>>,
    domains: &HashMap<String, Arc<Domain>>,
    any: Option<&Arc<Domain>>,
    sections: &Sections<'_>,
    report: &mut Report<'_>,
) -> Option<RouteTo> {
    let file = &route.value;
    let mut missing = |key: &str, what: &str| {
        let message = format!("missing; `to = \"{what}\"` needs it");
        report.add(route.span("to"), route.key(key), message);
        None
    };
    match file.to {
        file::RouteTo::Ruri => Some(RouteTo::Ruri),
        file::RouteTo::Static if file.targets.is_empty() => missing("targets", "static"),
        file::RouteTo::Static => {
            let targets = file
                .targets
                .iter()
                .map(|uri| StaticTarget::new(Bytes::from(uri.0.clone())))
                .collect();
            Some(RouteTo::Static(targets, file.trust.into()))
        }
        file::RouteTo::Trunk => {
            let Some(name) = &file.trunk else {
                return missing("trunk", "trunk");
            };
            let found = trunks.get(name.as_str()).cloned().map(RouteTo::Trunk);
            if found.is_none() {
                sections.check_name(route, "trunk", "trunk", name, report);
            }
            found
        }
        file::RouteTo::Domain => {
            let Some(name) = &file.domain else {
                return missing("domain", "domain");
            };
            let found = if name == "*" {
                any
            } else {
                domains.get(&name.to_ascii_lowercase())
            };
            if found.is_none() {
                sections.check_name(route, "domain", "domain", name, report);
            }
            found.cloned().map(RouteTo::Domain)
        }
    }
}

/// The line of a parse error that says what it is; those before it draw a picture.
fn last_line(error: &str) -> &str {
    let line = error.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line)
}
