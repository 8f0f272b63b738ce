//! The SSH transport that a test tries, and tests that try both.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test target uses a part of it, as a module of its own"
)]

use std::cell::Cell;

use klaviyo_export::delivery::sftp::Transport;

thread_local! {
    static TRANSPORT: Cell<Transport> = const { Cell::new(Transport::Russh) };
}

/// Has settings and job files that are made on this thread name this transport.
pub fn over(transport: Transport) {
    TRANSPORT.set(transport);
}

/// The transport that is tried on this thread.
pub fn transport() -> Transport {
    TRANSPORT.get()
}

/// The line of `[sftp]` that names it.
pub fn line() -> &'static str {
    match transport() {
        Transport::Russh => "",
        #[cfg(feature = "ssh2")]
        Transport::Ssh2 => "transport = \"ssh2\"\n",
    }
}

/// Runs each of these tests by russh, and by libssh2 where the build has it.
macro_rules! over_both {
    ($($name:ident;)*) => {
        mod over_russh {
            $(
                #[test]
                fn $name() {
                    use klaviyo_export::delivery::sftp::Transport;
                    $crate::support::transport::over(Transport::Russh);
                    super::$name();
                }
            )*
        }
        #[cfg(feature = "ssh2")]
        mod over_ssh2 {
            $(
                #[test]
                fn $name() {
                    use klaviyo_export::delivery::sftp::Transport;
                    $crate::support::transport::over(Transport::Ssh2);
                    super::$name();
                }
            )*
        }
    };
}

pub(crate) use over_both;
