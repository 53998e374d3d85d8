//! Phones of [`USERS`]' domain: how they register, and how they prove who they are.

use md5::{Digest, Md5};
use sha2::Sha256;

use crate::support::{CONFIG, PUBLIC, Sent, World, tcp, udp};

/// [`CONFIG`] with two users, and with a trunk that needs no credentials.
pub(crate) fn users() -> String {
    let domain = "executor = [\"sip:10.0.0.9:5080\"]\n";
    let users = "auth_exempt = [\"gateways\"]\nauth_algorithms = [\"MD5\", \"SHA-256\"]\n\
                 [[domain.user]]\nusername = \"alice\"\npassword = \"wonder land\"\n\
                 [[domain.user]]\nusername = \"bob\"\npassword = \"builder\"\n";
    let sanity = "  type = \"sanity\"\n";
    let trunk = "  [[chain.filter]]\n  type = \"trunk\"\n  no_match = \"accept\"\n";
    CONFIG
        .replacen(domain, &format!("{domain}{users}"), 1)
        .replacen(sanity, &format!("{sanity}{trunk}"), 1)
}

/// A phone, where it is, and what it says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Phone {
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
    pub(crate) address: &'static str,
    /// Its connection, over TCP.
    pub(crate) connection: Option<u64>,
    pub(crate) contact: String,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    pub(crate) extra: String,
}

impl Phone {
    pub(crate) fn new(user: &'static str, address: &'static str) -> Self {
        Self {
            user,
            password: match user {
                "alice" => "wonder land",
                _ => "builder",
            },
            address,
            connection: None,
            // It knows nothing of the NAT that it is behind.
            contact: format!("<sip:{user}@192.168.1.5:5060>"),
            call_id: format!("register-{user}-{address}"),
            cseq: 0,
            extra: String::new(),
        }
    }

    /// Says something in the public.
    pub(crate) fn say(&self, world: &mut World, text: &str) {
        match self.connection {
            None => world.receive(self.address, PUBLIC, text),
            Some(connection) => {
                let text = crate::support::lines(text).replace("SIP/2.0/UDP", "SIP/2.0/TCP");
                world.receive_on(tcp(self.address, connection), text.into());
            }
        }
    }

    /// Answers what was sent to it.
    pub(crate) fn answer(&self, world: &mut World, sent: &Sent, status: u16) {
        let routes = sent.all("Record-Route").into_iter();
        let routes: String = routes
            .map(|value| format!("Record-Route: {value}\n"))
            .collect();
        let contact = format!("Contact: {}\n{routes}", self.contact);
        let tag = format!(";tag=callee-{}", self.address.replace([':', '.'], "-"));
        let text = sent.answer(status, &contact).replace(";tag=callee", &tag);
        let flow = match self.connection {
            None => udp(self.address, PUBLIC),
            Some(connection) => tcp(self.address, connection),
        };
        world.receive_on(flow, text.into());
    }

    /// The next REGISTER; `headers` are lines.
    pub(crate) fn register_text(&mut self, headers: &str) -> String {
        self.cseq += 1;
        let Self {
            user,
            contact,
            call_id,
            cseq,
            extra,
            ..
        } = self;
        let contact = match contact.as_str() {
            "" => String::new(),
            contact => format!("Contact: {contact}\n"),
        };
        format!(
            "REGISTER sip:demo.example SIP/2.0\n\
             Via: SIP/2.0/UDP 192.168.1.5:5060;branch=z9hG4bK-{call_id}-{cseq};rport\n\
             Max-Forwards: 70\n\
             From: <sip:{user}@demo.example>;tag=phone\n\
             To: <sip:{user}@demo.example>\n\
             Call-ID: {call_id}\n\
             CSeq: {cseq} REGISTER\n\
             {contact}{extra}{headers}Content-Length: 0\n\n"
        )
    }

    /// A REGISTER without credentials, and one that answers the challenge; gives the last answer.
    pub(crate) fn register(&mut self, world: &mut World) -> Sent {
        let text = self.register_text("");
        self.say(world, &text);
        let challenge = world.only(self.address);
        assert_eq!(challenge.status(), 401, "{}", challenge.text());
        let proof = self.proof(&challenge, "REGISTER", "sip:demo.example", 1);
        let text = self.register_text(&format!("Authorization: {proof}\n"));
        self.say(world, &text);
        world.only(self.address)
    }

    /// The answer to the first challenge of `challenged`.
    pub(crate) fn proof(&self, challenged: &Sent, method: &str, uri: &str, count: u32) -> String {
        let name = match challenged.status() {
            401 => "WWW-Authenticate",
            _ => "Proxy-Authenticate",
        };
        self.proof_of(&challenged.header(name), method, uri, count)
    }

    /// The answer to a challenge.
    pub(crate) fn proof_of(&self, challenge: &str, method: &str, uri: &str, count: u32) -> String {
        let part = |name: &str| {
            let (_, rest) = challenge
                .split_once(&format!("{name}="))
                .unwrap_or_else(|| panic!("no {name} in {challenge}"));
            let rest = rest.trim_start_matches('"');
            rest.split(['"', ',']).next().unwrap().to_owned()
        };
        let (realm, nonce, algorithm) = (part("realm"), part("nonce"), part("algorithm"));
        let hash = |text: String| -> String {
            let bytes = match algorithm.as_str() {
                "SHA-256" => Sha256::digest(text).to_vec(),
                _ => Md5::digest(text).to_vec(),
            };
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let Self { user, password, .. } = self;
        let first = hash(format!("{user}:{realm}:{password}"));
        let second = hash(format!("{method}:{uri}"));
        let response = hash(format!("{first}:{nonce}:{count:08x}:c:auth:{second}"));
        format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={algorithm}, cnonce=\"c\", qop=auth, nc={count:08x}"
        )
    }
}
