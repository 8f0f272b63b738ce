//! TLS by rustls, checked as much as `sslmode` says.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use postgres::Socket;
use postgres::tls::{MakeTlsConnect, TlsConnect};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresError;
use super::target::{Roots, TlsMode};

type RustlsConnect = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;

/// Makes TLS of a socket, and notes that it was begun: the server then offers it.
#[derive(Clone)]
pub(super) struct Tls {
    rustls: MakeRustlsConnect,
    begun: Arc<AtomicBool>,
}

/// One socket's turn.
pub(super) struct TlsTurn {
    rustls: RustlsConnect,
    begun: Arc<AtomicBool>,
}

impl Tls {
    /// Reads the root certificates where they are needed.
    pub(super) fn new(mode: TlsMode, roots: &Roots) -> Result<Self, PostgresError> {
        let provider = crate::base::tls::provider();
        let verifier: Arc<dyn ServerCertVerifier> = match mode {
            TlsMode::VerifyCa | TlsMode::VerifyFull => {
                let check = if mode == TlsMode::VerifyFull {
                    CertificateCheck::Name
                } else {
                    CertificateCheck::Chain
                };
                match roots {
                    Roots::File(path) => Arc::new(Verifier::of_file(path, &provider, check)?),
                    Roots::System | Roots::None => {
                        let system = rustls_platform_verifier::Verifier::new(Arc::clone(&provider))
                            .map_err(|_| PostgresError::NoTrustStore)?;
                        Arc::new(Verifier {
                            chain: Some(Arc::new(system)),
                            known: Vec::new(),
                            provider: Arc::clone(&provider),
                            check,
                        })
                    }
                }
            }
            _ => Arc::new(Verifier {
                chain: None,
                known: Vec::new(),
                provider: Arc::clone(&provider),
                check: CertificateCheck::Chain,
            }),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| PostgresError::NoTrustStore)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self {
            rustls: MakeRustlsConnect::new(config),
            begun: Arc::default(),
        })
    }

    /// Whether a server has offered TLS since this was asked last.
    pub(super) fn was_begun(&self) -> bool {
        self.begun.swap(false, Ordering::AcqRel)
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = <RustlsConnect as TlsConnect<Socket>>::Stream;
    type TlsConnect = TlsTurn;
    type Error = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<TlsTurn, Self::Error> {
        Ok(TlsTurn {
            rustls: MakeTlsConnect::<Socket>::make_tls_connect(&mut self.rustls, domain)?,
            begun: Arc::clone(&self.begun),
        })
    }
}

impl TlsConnect<Socket> for TlsTurn {
    type Stream = <RustlsConnect as TlsConnect<Socket>>::Stream;
    type Error = <RustlsConnect as TlsConnect<Socket>>::Error;
    type Future = <RustlsConnect as TlsConnect<Socket>>::Future;

    fn connect(self, stream: Socket) -> Self::Future {
        self.begun.store(true, Ordering::Release);
        self.rustls.connect(stream)
    }
}

/// How much of a certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CertificateCheck {
    /// That somebody trusted made it.
    Chain,
    /// That it is the host's, too.
    Name,
}

#[derive(Debug)]
struct Verifier {
    /// Without it, everything is taken.
    chain: Option<Arc<dyn ServerCertVerifier>>,
    /// Certificates of the file: a server may show one of them itself.
    known: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    check: CertificateCheck,
}

impl Verifier {
    fn of_file(
        path: &Path,
        provider: &Arc<CryptoProvider>,
        check: CertificateCheck,
    ) -> Result<Self, PostgresError> {
        let failed = || PostgresError::RootCertificate {
            path: path.to_owned(),
        };
        let known: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|_| failed())?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(known.iter().cloned());
        let chain = WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(provider))
            .build()
            .map_err(|_| failed())?;
        Ok(Self {
            chain: Some(chain),
            known,
            provider: Arc::clone(provider),
            check,
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        if self.known.iter().any(|known| known == end_entity) {
            if self.check == CertificateCheck::Name {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == CertificateCheck::Chain => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The TLS error of a failed handshake, if it was TLS that failed.
pub(super) fn failure(error: &io::Error, server: String) -> Option<PostgresError> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(error) = error else {
        return Some(PostgresError::Handshake { server });
    };
    let problem = match error {
        CertificateError::UnknownIssuer => {
            "is not by an issuer that sslrootcert (or this system) trusts"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another host (its subjectAltName must have the name that is dialled)"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        _ => "is not valid",
    };
    Some(PostgresError::Certificate { server, problem })
}
