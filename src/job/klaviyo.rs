//! The job's settings for Klaviyo's API: its address, the key, the list.

use std::path::Path;
use std::time::Duration;

use super::delivery::retry_policy;
use super::file::JobFile;
use super::secrets::{API_KEY, WrittenSource};
use super::{JobError, value};
use crate::base::environment::Environment;
use crate::base::http::{Network, is_own_host};
use crate::base::private_file::SmallFile;
use crate::base::secret::{Secret, SecretSource};
use crate::klaviyo::settings::{
    Attach, Deliver, KlaviyoSettings, ListChoice, ListCreation, ListSettings, Mirror,
    SentinelSettings,
};

/// The largest file of authorities: ten times what systems come with.
const MAX_CA_BYTES: u64 = 4_000_000;
/// The variable that holds the key when the job names none.
const KEY_VARIABLE: &str = "KLAVIYO_API_KEY";

/// How long `attach = "members"` waits for profiles when the job does not say: Klaviyo speaks of "up to a couple of hours"
/// for an import of its own page (facts A6).
const USUAL_WAIT: Duration = Duration::from_hours(2);

/// Nobody waits longer, whatever a job says.
const LONGEST_WAIT: Duration = Duration::from_hours(30 * 24);

/// Takes the API key from where the job says it is, into `settings`.
pub fn read_key(settings: &mut KlaviyoSettings, environment: &Environment) -> Result<(), JobError> {
    let key = API_KEY.read(&settings.key_source, environment)?;
    let key = Secret::new(key.reveal().trim().to_owned());
    if key.reveal().is_empty() || !key.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(value(
            "klaviyo",
            format!(
                "{} does not contain an API key: a key is one word that begins with pk_",
                settings.key_source
            ),
        ));
    }
    settings.key = Some(key);
    Ok(())
}

/// How to reach the API, by `[klaviyo]`.
pub(super) fn settings(
    file: &JobFile,
    base: &Path,
    environment: &Environment,
) -> Result<KlaviyoSettings, JobError> {
    let section = &file.klaviyo;
    let base_url = section.base_url.trim_end_matches('/');
    let is_loopback = check_url(base_url)?;
    let revision = &section.revision;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if revision.is_empty() || !revision.bytes().all(allowed) {
        return Err(value("klaviyo.revision", "must look like \"2026-10-15\""));
    }
    if section
        .api_key_env
        .as_ref()
        .is_some_and(|name| name.starts_with("pk_"))
    {
        return Err(value(
            "klaviyo.api-key-env",
            "must be the name of a variable, and never the key itself",
        ));
    }
    let written = WrittenSource {
        variable: section.api_key_env.as_ref(),
        file: section.api_key_file.as_ref(),
        command: &section.api_key_command,
    };
    let key_source = API_KEY
        .place(written, base, environment)?
        .unwrap_or_else(|| SecretSource::Variable(KEY_VARIABLE.to_owned()));
    Ok(KlaviyoSettings {
        base_url: base_url.to_owned(),
        revision: revision.clone(),
        key_source,
        key: None,
        account_id: section.account_id.clone(),
        retry: retry_policy(file),
        is_loopback,
        loopback_only: environment.loopback_only(),
        network: network(file, base, environment)?,
        speed: if is_loopback {
            environment.api_speed()
        } else {
            1
        },
    })
}

/// The way to the API, by the keys of the job.
pub(super) fn network(
    file: &JobFile,
    base: &Path,
    environment: &Environment,
) -> Result<Network, JobError> {
    let mut network = Network::default();
    if let Some(proxy) = &file.klaviyo.proxy
        && !network.go_through(proxy)
    {
        return Err(value(
            "klaviyo.proxy",
            "must look like \"http://proxy.example.com:3128\"; for a proxy with a password, leave it out and set HTTPS_PROXY",
        ));
    }
    if let Some(path) = &file.klaviyo.ca_file {
        let path = base.join(environment.expand(path));
        let wrong =
            |problem: String| value("klaviyo.ca-file", format!("{}: {problem}", path.display()));
        let file = SmallFile::read(&path, MAX_CA_BYTES)
            .map_err(|error| wrong(format!("cannot be read: {error}")))?;
        if !network.trust(&file.bytes) {
            return Err(wrong(
                "does not contain a certificate in PEM format".to_owned(),
            ));
        }
    }
    Ok(network)
}

/// Whether the address is this machine's own. One that is not has to be https.
fn check_url(url: &str) -> Result<bool, JobError> {
    let wrong = |problem: &str| value("klaviyo.base-url", problem);
    let (secure, authority) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Err(wrong("must begin with https://")),
    };
    if authority.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
        return Err(wrong(
            "must be only a host, such as \"https://a.klaviyo.com\"",
        ));
    }
    let host = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((address, _)) => address,
        None => authority
            .split_once(':')
            .map_or(authority, |(host, _)| host),
    };
    let is_loopback = is_own_host(host);
    if !secure && !is_loopback {
        return Err(wrong(
            "must begin with https://; http is allowed only for an address of this machine",
        ));
    }
    Ok(is_loopback)
}

/// The list, by `[list]`.
pub(super) fn list(file: &JobFile) -> Result<Option<ListSettings>, JobError> {
    let Some(section) = &file.list else {
        return Ok(None);
    };
    let text = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let choice = match (text(&section.id), text(&section.name)) {
        (Some(id), _) if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            return Err(value(
                "list.id",
                "is not the id of a list: an id is letters and digits, such as \"Y6nRLr\"",
            ));
        }
        (Some(id), name) => ListChoice::Id { id, name },
        (None, Some(name)) => ListChoice::Name(name),
        (None, None) => {
            return Err(value(
                "list.name",
                "is missing; write name = \"VIP\", or id = \"Y6nRLr\"",
            ));
        }
    };
    if section.attach == Attach::Column {
        if !matches!(choice, ListChoice::Id { .. }) {
            return Err(value(
                "list.id",
                "is missing: attach = \"column\" writes it into every row",
            ));
        }
        if section.mirror != Mirror::Off {
            return Err(value(
                "list.mirror",
                "needs attach = \"import-job\" or \"members\": with \"column\" it is not known who was added to the list",
            ));
        }
        if file.klaviyo.deliver == Deliver::Api {
            return Err(value(
                "list.attach",
                "\"column\" is for CSV files, and deliver = \"api\" sends none",
            ));
        }
    }
    if section.create && matches!(choice, ListChoice::Id { .. }) {
        return Err(value(
            "list.create",
            "creates a list by its name; remove id",
        ));
    }
    if !(0.0..=100.0).contains(&section.max_removals.percent) {
        return Err(value(
            "list.max-removals",
            "percent must be between 0 and 100",
        ));
    }
    Ok(Some(ListSettings {
        choice,
        create: if section.create {
            ListCreation::First
        } else {
            ListCreation::Never
        },
        attach: section.attach,
        mirror: section.mirror,
        max_removals: section.max_removals,
        wait: file
            .klaviyo
            .wait_for_import
            .map_or(USUAL_WAIT, |wait| wait.0.min(LONGEST_WAIT)),
    }))
}

/// The sentinel, by `[klaviyo]`.
pub(super) fn sentinel(file: &JobFile) -> Result<Option<SentinelSettings>, JobError> {
    let Some(email) = &file.klaviyo.sentinel else {
        return Ok(None);
    };
    let mut normal = Vec::new();
    let valid =
        crate::pipeline::normalize::email::normalize(email.trim().as_bytes(), &mut normal).is_ok();
    match String::from_utf8(normal) {
        Ok(email) if valid => Ok(Some(SentinelSettings {
            email,
            wait: file
                .klaviyo
                .wait_for_import
                .map_or(Duration::ZERO, |wait| wait.0.min(LONGEST_WAIT)),
        })),
        _ => Err(value(
            "klaviyo.sentinel",
            "must be an e-mail address, such as \"ops@example.com\"",
        )),
    }
}
