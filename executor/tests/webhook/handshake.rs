//! What the TLS handshake says.

use std::sync::Mutex;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::*;

/// Writes down which names it is asked for, and has no certificate for any.
#[derive(Debug, Default)]
struct Asked(Mutex<Vec<Option<String>>>);

impl ResolvesServerCert for Asked {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_owned);
        self.0.lock().unwrap().push(name);
        None
    }
}

async fn server() -> (u16, Arc<Asked>) {
    let asked = Arc::new(Asked::default());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&asked) as Arc<dyn ResolvesServerCert>);
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            assert!(acceptor.accept(stream).await.is_err());
        }
    });
    (port, asked)
}

#[tokio::test]
async fn sni_n_leaves_the_name_out() {
    let (port, asked) = server().await;
    let names = Names(
        HashMap::from([("hook.test", vec![vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]])]),
        Mutex::default(),
    );
    let client = client_with(|config| config.lookup = Arc::new(names));
    let mut expected = Vec::new();
    for (overrides, name) in [
        ("rc=0", Some("hook.test")),
        ("rc=0&sni=y", Some("hook.test")),
        ("rc=0&sni=n", None),
        ("rc=0", Some("hook.test")),
    ] {
        let url = format!("https://hook.test:{port}/#{overrides}");
        let result = client.fetch(&request(&url, Method::Post), &call()).await;
        assert_eq!(code(result), 11220, "{overrides}");
        expected.push(name.map(str::to_owned));
        assert_eq!(*asked.0.lock().unwrap(), expected, "{overrides}");
    }
}
