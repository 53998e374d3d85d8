use std::fmt;

/// A SIP message, read with the simplest code that can read one.
#[derive(Clone)]
pub struct Message {
    /// The first line.
    pub start: String,
    /// All headers in order, names as they came, folded lines joined.
    pub headers: Vec<(String, String)>,
    /// What follows the empty line.
    pub body: String,
    /// The bytes.
    pub raw: Vec<u8>,
}

impl Message {
    /// Reads a message; `None` when it does not even have a first line and an empty line.
    #[must_use]
    pub fn read(raw: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(raw);
        let (head, body) = text
            .split_once("\r\n\r\n")
            .or_else(|| text.split_once("\n\n"))?;
        let mut lines = head.lines();
        let start = lines.next()?.to_owned();
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                let (_, value) = headers.last_mut()?;
                value.push(' ');
                value.push_str(line.trim());
            } else {
                let (name, value) = line.split_once(':')?;
                headers.push((name.trim_end().to_owned(), value.trim().to_owned()));
            }
        }
        Some(Self {
            start,
            headers,
            body: body.to_owned(),
            raw: raw.to_vec(),
        })
    }

    /// The method, of a request.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        if self.start.starts_with("SIP/2.0 ") {
            None
        } else {
            self.start.split(' ').next()
        }
    }

    /// The Request-URI, of a request.
    ///
    /// # Panics
    ///
    /// When this is a response.
    #[must_use]
    pub fn uri(&self) -> &str {
        assert!(
            self.method().is_some(),
            "a response has no Request-URI: {self:?}"
        );
        self.start.split(' ').nth(1).unwrap_or("")
    }

    /// The status, of a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The first header of that name, compact form or not.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// Every header of that name.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = |other: &str| long(other).eq_ignore_ascii_case(long(name));
        self.headers
            .iter()
            .filter(|(other, _)| same(other))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The first header of that name.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn need(&self, name: &str) -> &str {
        self.header(name)
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// The method in CSeq.
    #[must_use]
    pub fn cseq_method(&self) -> &str {
        self.header("CSeq")
            .and_then(|value| value.split_whitespace().nth(1))
            .unwrap_or("")
    }

    /// Whether any byte of the message says so.
    #[must_use]
    pub fn mentions(&self, needle: &str) -> bool {
        String::from_utf8_lossy(&self.raw)
            .to_ascii_lowercase()
            .contains(&needle.to_ascii_lowercase())
    }

    /// The part between `<` and `>` of a header, or all of it.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<&str> {
        let value = self.header(name)?;
        let Some((_, rest)) = value.split_once('<') else {
            return Some(value);
        };
        rest.split_once('>').map(|(uri, _)| uri)
    }

    /// The tag of From or To.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.header(name)?.rsplit_once("tag=")?;
        rest.split([';', ' ']).next()
    }
}

/// As the wire has it, so that a failing assertion can be read.
impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\n{}", String::from_utf8_lossy(&self.raw))
    }
}

fn long(name: &str) -> &str {
    match name {
        "v" => "Via",
        "f" => "From",
        "t" => "To",
        "i" => "Call-ID",
        "m" => "Contact",
        "l" => "Content-Length",
        "c" => "Content-Type",
        "k" => "Supported",
        other => other,
    }
}
