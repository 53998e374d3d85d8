//! `record_route`: stay in the path of dialogs.

use sip::{Method, Request};
use toml::Spanned;

use crate::{
    BuildContext, ConfigError, Context, Filter, Flow, Hooks, Kind, Plugin, Reason, settings,
};

settings! {
    /// Keys of `record_route`.
    pub struct RecordRouteKeys {
        /// The methods whose requests are record-routed: those that can form a dialog.
        methods: Vec<Spanned<String>> = Kind::Texts, r#"["INVITE", "SUBSCRIBE", "REFER"]"#, r#"["INVITE"]"#;
        /// Whether requests inside a dialog are record-routed too; RFC 3261 §16.6 step 4 allows it,
        /// and it changes no route set.
        in_dialog: bool = Kind::Bool, "false", "true";
    }
}

/// Asks the pipeline to add Record-Route (RFC 3261 §16.6 step 4).
#[derive(Debug)]
pub struct RecordRoute {
    methods: Vec<String>,
    in_dialog: bool,
}

impl Filter for RecordRoute {
    fn on_request(&self, request: &mut Request, cx: &mut Context) -> Flow {
        let method = request.method_bytes();
        let named = || self.methods.iter().any(|name| name.as_bytes() == method);
        if (self.in_dialog || !cx.facts.in_dialog) && named() {
            cx.facts.record_route = true;
        }
        Flow::Continue
    }

    fn hooks(&self) -> Hooks {
        Hooks::REQUEST
    }
}

impl Plugin for RecordRoute {
    const NAME: &'static str = "record_route";
    const SUMMARY: &'static str = "\
Keeps the proxy in the path of the dialogs that a request forms. The pipeline writes the \
Record-Route headers, one for each listener that is crossed.";
    const EXAMPLE: &'static str = "methods = [\"INVITE\", \"SUBSCRIBE\"]\n";
    const REASONS: &'static [Reason] = &[];
    type Config = RecordRouteKeys;

    fn build(config: RecordRouteKeys, _: &BuildContext) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        for (index, method) in config.methods.iter().enumerate() {
            let name = method.get_ref();
            let key = format!("methods[{index}]");
            if !sip::is_token(name.as_bytes()) {
                let message = format!("{name:?} is no method");
                errors.push(ConfigError::new(key, method.span(), message));
            } else if matches!(
                Method::of(name.as_bytes()),
                Method::Ack | Method::Cancel | Method::Register
            ) {
                let message = format!("{name} forms no dialog");
                errors.push(ConfigError::new(key, method.span(), message));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            methods: config
                .methods
                .into_iter()
                .map(Spanned::into_inner)
                .collect(),
            in_dialog: config.in_dialog,
        })
    }
}
