//! Servers in the API's place that drip, answer a web page, or ask to come back in years: an end within the limit, and words for it.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::workspace::{Outcome, Workspace};

/// A server on loopback that answers every request with `head`, and then `body`, a byte every `pause`. Its port.
fn serve(head: &'static str, body: &'static str, pause: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    request.push(byte[0]);
                }
                let head = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n");
                if stream.write_all(head.as_bytes()).is_err() {
                    return;
                }
                for byte in body.bytes() {
                    if stream.write_all(&[byte]).is_err() {
                        return;
                    }
                    if !pause.is_zero() {
                        let _ = crossbeam_channel::after(pause).recv();
                    }
                }
            });
        }
    });
    port
}

/// A run that has to look at a list of the API at `port`.
fn run(port: u16) -> (Outcome, Duration) {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\n")]);
    let job = format!(
        "name = \"vip\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n[retry]\nfirst = \"10ms\"\n\
         max = \"50ms\"\ngive-up-after = \"2s\"\n[list]\nname = \"VIP\"\n[klaviyo]\ndeliver = \"api\"\n\
         base-url = \"http://127.0.0.1:{port}\"\n"
    );
    workspace.write("vip.toml", job);
    let begun = Instant::now();
    let outcome = workspace.run_with_env(&["run", "vip.toml"], &[("KLAVIYO_API_KEY", "pk_x")]);
    (outcome.exits(16), begun.elapsed())
}

#[test]
fn a_web_page_in_place_of_the_api_is_called_one() {
    let page = "<!DOCTYPE html><html>Please log in</html>";
    let (outcome, _) = run(serve(
        "200 OK\r\ncontent-type: text/html",
        page,
        Duration::ZERO,
    ));
    assert!(
        outcome.error().contains("is a web page"),
        "{}",
        outcome.stderr
    );
    assert!(
        !outcome.stderr.contains("Please log in"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_retry_after_of_years_is_no_reason_to_name_them() {
    for seconds in [
        "429 Too Many Requests\r\nretry-after: 999999999",
        "503 Busy\r\nretry-after: 99999999999999999999",
    ] {
        let (outcome, time) = run(serve(seconds, "{}", Duration::ZERO));
        assert!(!outcome.stderr.contains("year"), "{}", outcome.stderr);
        assert!(time < Duration::from_secs(15), "{time:?}");
    }
}

#[test]
fn an_answer_of_one_byte_a_second_ends_with_the_limit() {
    let body = "                                                            {}";
    let (outcome, time) = run(serve("200 OK", body, Duration::from_secs(1)));
    assert!(
        time < Duration::from_secs(30),
        "{time:?} {}",
        outcome.stderr
    );
}
