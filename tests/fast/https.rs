//! The API over https, by a server with a certificate of its own: trusted only when the system trusts it.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use workspace::{Outcome, Workspace};

const KEY: &str = "pk_only_for_klaviyo";

/// The certificate that a server shows, and who vouches for it.
struct Certificate {
    own: rcgen::Certificate,
    key: KeyPair,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate for 127.0.0.1, by an authority of its own.
fn certificate() -> Certificate {
    certificate_for("127.0.0.1")
}

/// A certificate for an address, by an authority of its own.
fn certificate_for(address: &str) -> Certificate {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "an authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([address.to_owned()]).unwrap();
    Certificate {
        own: params.signed_by(&key, &authority).unwrap(),
        key,
        authority,
    }
}

/// A server that answers every request with `answer`, and tells what it was asked. Its port.
fn serve(certificate: &Certificate, answer: String) -> (u16, Receiver<String>) {
    let key = PrivateKeyDer::from_pem_slice(certificate.key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.own.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, stream.unwrap());
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                request.push(byte[0]);
            }
            // A client that does not trust the certificate goes away.
            if request.is_empty() {
                continue;
            }
            if told
                .send(String::from_utf8_lossy(&request).into_owned())
                .is_err()
            {
                return;
            }
            let _ = stream.write_all(answer.as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    (port, asked)
}

const REFUSAL: &str =
    "HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

fn run(workspace: &Workspace, port: u16, variables: &[(&str, &str)]) -> Outcome {
    run_at(workspace, &format!("https://127.0.0.1:{port}"), variables)
}

fn run_at(workspace: &Workspace, base_url: &str, variables: &[(&str, &str)]) -> Outcome {
    workspace.write("a.csv", "email\nzoe@example.com\n");
    let job = format!(
        "name = \"vip\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n[retry]\nfirst = \"1ms\"\nmax = \"5ms\"\ngive-up-after = \"100ms\"\n[list]\nname = \"VIP\"\n[klaviyo]\ndeliver = \"api\"\nbase-url = \"{base_url}\"\n"
    );
    workspace.write("vip.toml", job);
    let mut all = vec![("KLAVIYO_API_KEY", KEY)];
    all.extend(variables);
    workspace.run_with_env(&["run", "vip.toml"], &all)
}

#[test]
fn a_certificate_that_the_system_does_not_trust_is_refused_and_the_key_not_sent() {
    let certificate = certificate();
    let (port, asked) = serve(&certificate, REFUSAL.to_owned());
    let outcome = run(&Workspace::new(), port, &[]).exits(16);
    assert!(
        outcome.error().contains("its certificate is not trusted"),
        "{}",
        outcome.stderr
    );
    assert!(asked.try_recv().is_err(), "no request came through");
}

#[test]
fn a_certificate_that_the_system_trusts_is_accepted() {
    let workspace = Workspace::new();
    let certificate = certificate();
    workspace.write("trusted.pem", certificate.authority.pem());
    let trusted = workspace.path("trusted.pem").display().to_string();
    let (port, asked) = serve(&certificate, REFUSAL.to_owned());
    let outcome = run(&workspace, port, &[("SSL_CERT_FILE", &trusted)]).exits(16);
    assert!(
        outcome.error().contains("does not accept the API key"),
        "{}",
        outcome.stderr
    );
    let request = asked.recv().unwrap().to_lowercase();
    assert!(
        request.contains(&format!("authorization: klaviyo-api-key {KEY}")),
        "{request}"
    );
    assert!(request.contains("revision: 2026-10-15"), "{request}");
}

#[test]
fn a_redirect_is_not_followed() {
    let workspace = Workspace::new();
    let certificate = certificate();
    workspace.write("trusted.pem", certificate.authority.pem());
    let trusted = workspace.path("trusted.pem").display().to_string();
    let (other, asked_there) = serve(&certificate, REFUSAL.to_owned());
    let elsewhere = format!(
        "HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1:{other}/api/lists\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let (port, asked) = serve(&certificate, elsewhere);
    let outcome = run(&workspace, port, &[("SSL_CERT_FILE", &trusted)]).exits(16);
    assert!(outcome.error().contains("status 302"), "{}", outcome.stderr);
    assert!(asked.recv().is_ok() && asked_there.try_recv().is_err());
}

/// A proxy that connects each tunnel to the server at `port`, or refuses it, and tells what it was asked. Its port.
fn proxy(port: Option<u16>) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own_port = listener.local_addr().unwrap().port();
    let (told, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                request.push(byte[0]);
            }
            let _ = told.send(String::from_utf8_lossy(&request).into_owned());
            let Some(port) = port else {
                let _ = stream.write_all(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
                );
                continue;
            };
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            for (mut from, mut to) in [
                (stream.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, stream),
            ] {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    (own_port, asked)
}

/// An address that nobody has (RFC 5737).
const ELSEWHERE: &str = "192.0.2.1";

#[test]
fn the_api_is_reached_through_the_proxy_of_https_proxy() {
    let workspace = Workspace::new();
    let certificate = certificate_for(ELSEWHERE);
    workspace.write("trusted.pem", certificate.authority.pem());
    let trusted = workspace.path("trusted.pem").display().to_string();
    let (port, asked) = serve(&certificate, REFUSAL.to_owned());
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let (proxy_port, asked_of_proxy) = proxy(Some(port));
        let address = format!("http://127.0.0.1:{proxy_port}");
        let variables = [(name, &*address), ("SSL_CERT_FILE", &*trusted)];
        let outcome = run_at(&workspace, &format!("https://{ELSEWHERE}"), &variables).exits(16);
        assert!(
            outcome.error().contains("does not accept the API key"),
            "{name}: {}",
            outcome.stderr
        );
        let connect = asked_of_proxy.recv().unwrap();
        assert!(connect.starts_with("CONNECT 192.0.2.1:443 "), "{connect}");
        assert!(!connect.contains(KEY), "the key goes to Klaviyo alone");
        assert!(asked.recv().unwrap().contains(KEY));
        // The proxy's own certificate, and no other, is what SSL_CERT_FILE names.
        let outcome =
            run_at(&workspace, &format!("https://{ELSEWHERE}"), &variables[..1]).exits(16);
        assert!(
            outcome.hint().contains("SSL_CERT_FILE"),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn a_job_names_the_proxy_and_the_authorities_of_its_api() {
    let workspace = Workspace::new();
    let certificate = certificate_for(ELSEWHERE);
    workspace.write("trusted.pem", certificate.authority.pem());
    let (port, asked) = serve(&certificate, REFUSAL.to_owned());
    let (proxy_port, asked_of_proxy) = proxy(Some(port));
    let keys = format!("\"\nproxy = \"http://127.0.0.1:{proxy_port}\"\nca-file = \"trusted.pem");
    let nobody = [("HTTPS_PROXY", "http://127.0.0.1:1")];
    let url = format!("https://{ELSEWHERE}{keys}");
    let outcome = run_at(&workspace, &url, &nobody).exits(16);
    assert!(
        outcome.error().contains("does not accept the API key"),
        "{}",
        outcome.stderr
    );
    let connect = asked_of_proxy.recv().unwrap();
    assert!(connect.starts_with("CONNECT 192.0.2.1:443 "), "{connect}");
    assert!(asked.recv().unwrap().contains(KEY));
    workspace.write("trusted.pem", "none");
    let outcome = run_at(&workspace, &format!("https://{ELSEWHERE}{keys}"), &[]).exits(10);
    assert!(outcome.error().contains("PEM"), "{}", outcome.stderr);
    let keys = "\"\nproxy = \"http://ana:hunter2@127.0.0.1:1";
    let outcome = run_at(&workspace, &format!("https://{ELSEWHERE}{keys}"), &[]).exits(10);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
}

#[test]
fn network_errors_name_the_proxy_and_never_its_password() {
    let workspace = Workspace::new();
    let (proxy_port, _asked) = proxy(None);
    let address = format!("http://ana:hunter2@127.0.0.1:{proxy_port}");
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = format!("http://ana:hunter2@{gone}");
    for variable in [address, nobody] {
        let variables = [("HTTPS_PROXY", &*variable)];
        let outcome = run_at(&workspace, &format!("https://{ELSEWHERE}"), &variables).exits(16);
        assert!(
            outcome.hint().contains("HTTPS_PROXY=http://HOST:PORT"),
            "{}",
            outcome.stderr
        );
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
        assert!(
            outcome
                .error()
                .contains("192.0.2.1 through the proxy 127.0.0.1:"),
            "{}",
            outcome.stderr
        );
    }
    let variables = [("HTTPS_PROXY", "http://proxy.invalid:3128")];
    let outcome = run_at(&workspace, &format!("https://{ELSEWHERE}"), &variables).exits(16);
    assert!(
        outcome.error().contains("proxy.invalid"),
        "{}",
        outcome.stderr
    );
    let variables = [variables[0], ("NO_PROXY", "example.com,192.0.2.1")];
    let outcome = run_at(&workspace, &format!("https://{ELSEWHERE}"), &variables).exits(16);
    assert!(!outcome.stderr.contains("proxy."), "{}", outcome.stderr);
    let outcome = run_at(&workspace, &format!("https://{ELSEWHERE}"), &[]).exits(16);
    assert!(outcome.hint().contains("HTTPS_PROXY"), "{}", outcome.stderr);
}

#[test]
fn notices_go_the_way_of_the_api() {
    let workspace = Workspace::new();
    let certificate = certificate_for(ELSEWHERE);
    workspace.write("trusted.pem", certificate.authority.pem());
    let trusted = workspace.path("trusted.pem").display().to_string();
    let answer = "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (port, asked) = serve(&certificate, answer.to_owned());
    let (proxy_port, asked_of_proxy) = proxy(Some(port));
    let address = format!("http://127.0.0.1:{proxy_port}");
    let beat = format!("https://{ELSEWHERE}/hunter2");
    let run = |klaviyo: &str, variables: &[(&str, &str)]| {
        // The audience is missing: the run fails, and its heartbeat says so.
        let job = format!(
            "name = \"vip\"\n[audience]\nfiles = [\"none.csv\"]\n[columns]\nemail = \"Email\"\n[notify]\nheartbeat-url-env = \"BEAT\"\n[klaviyo]\n{klaviyo}"
        );
        workspace.write("vip.toml", job);
        let variables = [&[("BEAT", &*beat)], variables].concat();
        let outcome = workspace.run_with_env(&["run", "vip.toml", "--json"], &variables);
        outcome.exits(12)
    };
    let keys = format!("proxy = \"{address}\"\nca-file = \"trusted.pem\"\n");
    for (klaviyo, variables) in [
        (&*keys, &[("HTTPS_PROXY", "http://127.0.0.1:1")][..]),
        (
            "",
            &[("HTTPS_PROXY", &*address), ("SSL_CERT_FILE", &trusted)],
        ),
    ] {
        let outcome = run(klaviyo, variables);
        for tail in ["start", "fail"] {
            let connect = asked_of_proxy.recv().unwrap();
            assert!(connect.starts_with("CONNECT 192.0.2.1:443 "), "{connect}");
            let request = asked.recv().unwrap();
            assert!(
                request.starts_with(&format!("GET /hunter2/{tail} ")),
                "{request}"
            );
        }
        let notices = outcome.report()["notices"].clone();
        assert_eq!(notices[1]["status"], 204, "{notices:#}");
    }
    let untrusted = run("", &[("HTTPS_PROXY", &address)]);
    let told = untrusted.report()["notices"].to_string();
    assert!(told.contains("its certificate is not trusted"), "{told}");
    for secret in ["hunter2", ELSEWHERE] {
        assert!(
            !told.contains(secret) && !untrusted.stderr.contains(secret),
            "{told}"
        );
    }
}
