//! The window loop of an upload by itself, against the built-in sandbox on loopback: `cargo bench --bench upload`. Other
//! clients and real links are in `bench/upload`.
#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::io::Read as _;
use std::time::Duration;

use divan::Bencher;
use divan::counter::BytesCount;
use klaviyo_export::base::interrupt::Interrupt;
use klaviyo_export::delivery::sftp::{Authentication, SftpSession, SftpSettings, Transport, Way};
use klaviyo_export_sandbox::api::ApiSettings;
use klaviyo_export_sandbox::{Faults, Sandbox, SandboxSettings};

/// Large enough to fill every window many times.
const BYTES: u64 = 16 << 20;

fn main() {
    divan::main();
}

/// One file over one session, with so many unacknowledged bytes on the way.
#[divan::bench(args = [64 << 10, 256 << 10, 1 << 20, 4 << 20], sample_count = 10)]
fn put(bencher: Bencher<'_, '_>, window_bytes: usize) {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(SandboxSettings {
        root: folder.path().to_owned(),
        port: 0,
        username: "bench".to_owned(),
        faults: Faults::none(),
        api: ApiSettings::default(),
    })
    .unwrap();
    let settings = SftpSettings {
        way: Way::Direct,
        transport: Transport::default(),
        host: "127.0.0.1".to_owned(),
        port: sandbox.address().port(),
        username: sandbox.username().to_owned(),
        authentication: Authentication {
            private_key: Some(sandbox.private_key().to_owned()),
            ..Authentication::default()
        },
        known_hosts: vec![sandbox.known_hosts().to_owned()],
        host_keys: Vec::new(),
        accept_new_host_key: false,
        window_bytes,
        connect_timeout: Duration::from_secs(10),
        stall_timeout: Duration::from_secs(10),
        commit_timeout: Duration::from_secs(10),
        loopback_only: true,
    };
    let mut session = SftpSession::connect(&settings, &Interrupt::new()).unwrap();
    let mut number = 0;
    bencher.counter(BytesCount::new(BYTES)).bench_local(|| {
        number += 1;
        let mut source = std::io::repeat(b'x').take(BYTES);
        let path = format!("/profiles/bench-{number}.csv");
        session.put(&path, &mut source, BYTES, &mut |_| {}).unwrap();
        session.remove(&path).unwrap();
    });
}
