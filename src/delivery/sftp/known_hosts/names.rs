//! Host names in known_hosts files: lists, `*` and `?`, `!`, `[host]:port`, and hashed names.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// The names under which one server can stand in a known_hosts file.
#[derive(Debug, Clone)]
pub(crate) struct HostNames {
    primary: String,
    plain: Option<String>,
}

impl HostNames {
    /// `host` alone for port 22, else `[host]:port` first and `host` as a fallback.
    pub(crate) fn new(host: &str, port: u16) -> Self {
        let host = host.to_ascii_lowercase();
        if port == 22 {
            Self {
                primary: host,
                plain: None,
            }
        } else {
            Self {
                primary: format!("[{host}]:{port}"),
                plain: Some(host),
            }
        }
    }

    /// The name that a new line gets.
    pub(crate) fn primary(&self) -> &str {
        &self.primary
    }

    /// Whether the names field of a line names this host: `Some(true)` with the port dialled, `Some(false)` without it.
    pub(super) fn named_by(&self, names: &[u8]) -> Option<bool> {
        if list_has(names, &self.primary) {
            return Some(true);
        }
        let plain = self.plain.as_deref()?;
        list_has(names, plain).then_some(false)
    }
}

fn list_has(names: &[u8], host: &str) -> bool {
    if let Some(hashed) = names.strip_prefix(b"|1|") {
        return hash_is(hashed, host);
    }
    let mut found = false;
    for pattern in names.split(|&byte| byte == b',') {
        if let Some(negated) = pattern.strip_prefix(b"!") {
            if pattern_has(negated, host.as_bytes()) {
                return false;
            }
        } else {
            found |= pattern_has(pattern, host.as_bytes());
        }
    }
    found
}

fn hash_is(salt_and_hash: &[u8], host: &str) -> bool {
    let mut parts = salt_and_hash.splitn(2, |&byte| byte == b'|');
    let (Some(salt), Some(hash)) = (parts.next(), parts.next()) else {
        return false;
    };
    let (Ok(salt), Ok(hash)) = (STANDARD.decode(salt), STANDARD.decode(hash)) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&salt) else {
        return false;
    };
    mac.update(host.as_bytes());
    mac.verify_slice(&hash).is_ok()
}

/// `*` stands for any run of characters, `?` for one; letters match in either case. Linear in the product of both lengths.
pub(in crate::delivery::sftp) fn pattern_has(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                last_star = Some((at, from));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte.eq_ignore_ascii_case(&text[from]) => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((star, taken)) = last_star else {
                    return false;
                };
                last_star = Some((star, taken + 1));
                at = star + 1;
                from = taken + 1;
            }
        }
    }
    pattern[at.min(pattern.len())..]
        .iter()
        .all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_openssh() {
        let cases: &[(&str, &str, u16, Option<bool>)] = &[
            ("h.example", "h.example", 22, Some(true)),
            ("H.Example", "h.EXAMPLE", 22, Some(true)),
            ("h.example", "h.example", 2222, Some(false)),
            ("[h.example]:2222", "h.example", 2222, Some(true)),
            ("[h.example]:2222", "h.example", 22, None),
            ("[h.example]:2222", "h.example", 2223, None),
            ("a,h.example,b", "h.example", 22, Some(true)),
            ("*.example", "h.example", 22, Some(true)),
            ("*.example", "example", 22, None),
            ("h?example", "h.example", 22, Some(true)),
            ("h?example", "hexample", 22, None),
            ("*", "h.example", 22, Some(true)),
            ("*", "h.example", 2222, Some(true)),
            ("[127.0.0.*]:2222", "127.0.0.1", 2222, Some(true)),
            ("*.example,!h.example", "h.example", 22, None),
            ("!h.example,*.example", "h.example", 22, None),
            ("!h.example,*.example", "g.example", 22, Some(true)),
            ("!g.example", "h.example", 22, None),
            ("[::1]:2222", "::1", 2222, Some(true)),
            ("::1", "::1", 22, Some(true)),
            ("a**b*?c", "aXXbXYc", 22, Some(true)),
            ("", "h", 22, None),
            (",", "h", 22, None),
            // `ssh-keygen -H` of "h.example" and of "[h.example]:2222".
            (HASHED_PLAIN, "h.example", 22, Some(true)),
            (HASHED_PLAIN, "h.example", 2222, Some(false)),
            (HASHED_PLAIN, "g.example", 22, None),
            (HASHED_PORT, "h.example", 2222, Some(true)),
            (HASHED_PORT, "h.example", 22, None),
            ("|1|", "h", 22, None),
            ("|1|AAAA", "h", 22, None),
            ("|1|!|!", "h", 22, None),
            ("|1||", "h", 22, None),
            ("|2|AAAA|AAAA", "h", 22, None),
        ];
        for &(names, host, port, expected) in cases {
            assert_eq!(
                HostNames::new(host, port).named_by(names.as_bytes()),
                expected,
                "{names} for {host} port {port}"
            );
        }
    }

    const HASHED_PLAIN: &str = "|1|QQUf5uj3sq7AYma3Yx4ToRs9azE=|FM6X9j+StZfDkupJZiBvQQyu/Ws=";
    const HASHED_PORT: &str = "|1|eBIcoG7XWVQXzdWX7VI3oPFghxU=|51V+GBPQXn3hEZ+cVh5/F/YO5To=";

    #[test]
    fn many_stars_stay_fast() {
        let pattern = "*a".repeat(2000);
        assert!(!pattern_has(pattern.as_bytes(), &[b'a'; 1999]));
    }
}
