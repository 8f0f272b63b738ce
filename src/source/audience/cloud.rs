//! Files in object stores: `s3://`, `gs://` and `az://`, by the `object_store` crate.
//!
//! Credentials, region and endpoint come from the environment by the names that each cloud's own tools use (`AWS_*`,
//! `GOOGLE_*`, `AZURE_*`), or from the machine's own identity.

use std::future::Future;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::path::Path as Location;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use tokio::runtime::Runtime;

use super::error::{AudienceError, CloudFault};
use crate::base::environment::Environment;
use crate::state::fingerprint::SourceFingerprint;

/// Variables whose values the clients take.
const PREFIXES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// The variables that say which server stands in for the cloud's own.
const ENDPOINTS: [&str; 5] = [
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT",
    "GOOGLE_BASE_URL",
    "AZURE_STORAGE_ENDPOINT",
];

/// One object, as it was when it was listed.
#[derive(Clone)]
pub(super) struct Object {
    name: String,
    store: Arc<dyn ObjectStore>,
    runtime: Arc<Runtime>,
    meta: ObjectMeta,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Object({})", self.name)
    }
}

fn failed(name: &str, error: &object_store::Error) -> AudienceError {
    AudienceError::Cloud {
        name: name.to_owned(),
        fault: CloudFault::of(error),
    }
}

/// The objects that `written`, an address or a pattern, means, sorted by name.
pub(super) fn resolve(written: &str) -> Result<Vec<Object>, AudienceError> {
    let environment = Environment::of_process();
    let refused = |fault| AudienceError::Cloud {
        name: written.to_owned(),
        fault,
    };
    if environment.loopback_only() && !is_on_loopback(&environment) {
        return Err(refused(CloudFault::NotLoopback));
    }
    let (store, key) = open_store(written, &environment)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|_| refused(CloudFault::Unreachable))?;
    let runtime = Arc::new(runtime);
    let metas = if key.contains(['*', '?', '[']) {
        list(&runtime, store.as_ref(), &key).map_err(|error| failed(written, &error))?
    } else {
        let head = runtime.block_on(store.head(&Location::from(key.as_str())));
        vec![head.map_err(|error| failed(written, &error))?]
    };
    if metas.is_empty() {
        return Err(AudienceError::NoMatch {
            pattern: written.to_owned(),
        });
    }
    let root = written.strip_suffix(key.as_str()).unwrap_or(written);
    let object = |meta: ObjectMeta| Object {
        name: format!("{root}{}", meta.location),
        store: Arc::clone(&store),
        runtime: Arc::clone(&runtime),
        meta,
    };
    Ok(metas.into_iter().map(object).collect())
}

/// The store of an address, and the key in it as it was written.
fn open_store(
    written: &str,
    environment: &Environment,
) -> Result<(Arc<dyn ObjectStore>, String), AudienceError> {
    let bad = || AudienceError::Cloud {
        name: written.to_owned(),
        fault: CloudFault::BadAddress,
    };
    let (scheme, rest) = written.split_once("://").ok_or_else(bad)?;
    let (bucket, key) = rest.split_once('/').ok_or_else(bad)?;
    if bucket.is_empty() || key.is_empty() || bucket.contains('@') && scheme != "abfss" {
        return Err(bad());
    }
    let url = format!("{scheme}://{bucket}/").parse().map_err(|_| bad())?;
    let variables = PREFIXES
        .iter()
        .flat_map(|prefix| environment.beginning_with(prefix))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    crate::base::tls::install();
    let (store, _) = object_store::parse_url_opts(&url, variables).map_err(|_| bad())?;
    Ok((Arc::from(store), key.to_owned()))
}

fn is_on_loopback(environment: &Environment) -> bool {
    ENDPOINTS
        .iter()
        .filter_map(|name| environment.get(name))
        .any(|endpoint| {
            ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"]
                .iter()
                .any(|beginning| endpoint.starts_with(beginning))
        })
}

/// The objects whose keys match, sorted. `*` does not pass a slash.
fn list(
    runtime: &Runtime,
    store: &dyn ObjectStore,
    pattern: &str,
) -> Result<Vec<ObjectMeta>, object_store::Error> {
    let literal = &pattern[..pattern.find(['*', '?', '[']).unwrap_or(pattern.len())];
    let folder = literal
        .rsplit_once('/')
        .map(|(folder, _)| Location::from(folder));
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::new()
    };
    let Ok(pattern) = glob::Pattern::new(pattern) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    runtime.block_on(async {
        let mut listed = store.list(folder.as_ref());
        while let Some(meta) = listed.next().await {
            let meta = meta?;
            if pattern.matches_with(meta.location.as_ref(), options) {
                found.push(meta);
            }
        }
        Ok::<_, object_store::Error>(())
    })?;
    found.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(found)
}

impl Object {
    /// The address, as messages have it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its size in bytes.
    pub(super) fn size_bytes(&self) -> u64 {
        self.meta.size
    }

    /// Its fingerprint: the store's own mark of its content stands for a hash.
    pub(super) fn fingerprint(&self) -> SourceFingerprint {
        SourceFingerprint {
            name: self.name.clone(),
            bytes: self.meta.size,
            modified: i128::from(self.meta.last_modified.timestamp_micros()) * 1_000,
            ends: self.meta.e_tag.clone().unwrap_or_default(),
        }
    }

    /// Its bytes from the beginning. An object that was replaced meanwhile is an error of the reader.
    pub(super) fn read(&self) -> Result<Box<dyn Read + Send>, AudienceError> {
        let options = GetOptions {
            if_match: self.meta.e_tag.clone(),
            ..GetOptions::default()
        };
        let got = self.wait(self.store.get_opts(&self.meta.location, options))?;
        Ok(Box::new(ObjectReader {
            object: self.clone(),
            chunks: got.into_stream(),
            rest: bytes::Bytes::new(),
        }))
    }

    /// Some ranges of its bytes.
    pub(super) fn ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>, AudienceError> {
        self.wait(self.store.get_ranges(&self.meta.location, ranges))
    }

    fn wait<T>(
        &self,
        work: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, AudienceError> {
        self.runtime
            .block_on(work)
            .map_err(|error| failed(&self.name, &error))
    }
}

/// The bytes of an object as they come.
struct ObjectReader {
    object: Object,
    chunks: BoxStream<'static, object_store::Result<bytes::Bytes>>,
    rest: bytes::Bytes,
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.object.runtime.block_on(self.chunks.next()) {
                None => return Ok(0),
                Some(Ok(chunk)) => self.rest = chunk,
                Some(Err(error)) => return Err(io::Error::other(CloudFault::of(&error))),
            }
        }
        let count = buffer.len().min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}
