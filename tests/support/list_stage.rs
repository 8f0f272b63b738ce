//! The sandbox, a job with a list, and a witness who holds every call of the program against Klaviyo's contract and against
//! the limits that Klaviyo gives only in prose. What the witness has to say fails the test when the stage goes.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test target uses a part of it, as a module of its own"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use klaviyo_export_sandbox::Faults;
use klaviyo_export_sandbox::api::{
    Api, ApiFault, ApiFaults, ApiSettings, Exchange, Observer, REVISION,
};
use serde_json::Value;
use ureq::http::{HeaderMap, HeaderValue};

use super::api_client::{Reply, hold_to_contract};
use super::workspace::{Outcome, Server, Workspace};

/// The one job of a stage.
pub const JOB: &str = "vip";
/// Its file.
pub const FILE: &str = "vip.toml";
/// The media type of bodies and answers.
const JSON_API: &str = "application/vnd.api+json";
/// How much faster than a clock both sides are.
pub const SPEED: u32 = 10_000;

/// A call, reduced to what tests ask for.
#[derive(Debug, Clone)]
pub struct Seen {
    pub operation: &'static str,
    pub target: String,
    pub status: u16,
    pub fault: Option<ApiFault>,
    pub body_bytes: usize,
    /// Profiles of a job, or ids of a change; 0 at a stage that only measures.
    pub items: usize,
    pub at: Instant,
}

#[derive(Debug, Default)]
struct Witness {
    calls: Vec<Seen>,
    complaints: Vec<String>,
    /// Attributes of profiles in jobs.
    attributes: BTreeSet<String>,
}

/// A workspace, its sandbox and the witness.
pub struct Stage {
    pub workspace: Workspace,
    pub server: Server,
    witness: Arc<Mutex<Witness>>,
    speed: u32,
}

/// The text of a job, without the places of files and servers.
#[derive(Debug, Clone)]
pub struct JobText {
    /// Lines above the sections.
    pub top: String,
    /// Lines of `[list]`; empty: no list.
    pub list: String,
    /// Lines of `[klaviyo]`.
    pub klaviyo: String,
    /// Lines of `[parts]`.
    pub parts: String,
    /// Lines of `[columns]`.
    pub columns: String,
    pub give_up_after: &'static str,
    /// Whether the job has a server.
    pub sftp: bool,
    /// Where the API is; the sandbox's if there is none.
    pub base_url: Option<String>,
    /// Which key, as a line of `[klaviyo]`; the sandbox's own file if there is none.
    pub key: Option<String>,
}

impl Default for JobText {
    fn default() -> Self {
        Self {
            top: String::new(),
            list: "name = \"VIP\"".to_owned(),
            klaviyo: String::new(),
            parts: String::new(),
            columns: "mail = \"Email\"\nphone = \"PhoneNumber\"\nkey = \"ExternalID\"\nfirst = \"FirstName\"\ntier = \"Tier\""
                .to_owned(),
            give_up_after: "30s",
            sftp: true,
            base_url: None,
            key: None,
        }
    }
}

impl JobText {
    /// The usual job, with these lines of `[list]` behind the name.
    pub fn list(lines: &str) -> Self {
        Self {
            list: format!("name = \"VIP\"\n{lines}"),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn klaviyo(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.klaviyo);
        self
    }

    #[must_use]
    pub fn parts(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.parts);
        self
    }
}

/// Limits that no test meets by accident, and no delays.
pub fn quick() -> ApiSettings {
    ApiSettings {
        speed: SPEED,
        job_delay: Duration::ZERO,
        import_delay: Duration::ZERO,
        ..ApiSettings::default()
    }
}

/// One in five calls fails, in all ways.
pub fn bad_weather(seed: u64) -> ApiFaults {
    let busy = ApiFault::TooManyRequests {
        retry_after_seconds: 1,
    };
    [
        busy,
        ApiFault::ServerError,
        ApiFault::Unavailable,
        ApiFault::Drop,
        ApiFault::LoseReply,
    ]
    .into_iter()
    .zip(0..)
    .fold(ApiFaults::none(), |faults, (fault, number)| {
        faults.percent(fault, 4, seed * 8 + number)
    })
}

impl Stage {
    /// A quick sandbox, the list VIP, and no audience yet.
    pub fn new() -> Self {
        let stage = Self::with(quick());
        stage.api().add_list("VIP");
        stage
    }

    /// A sandbox without a list.
    pub fn with(api: ApiSettings) -> Self {
        Self::seen_by(api, note)
    }

    /// The same, where calls are counted and not looked into: that takes longer than what is measured.
    pub fn measuring(api: ApiSettings) -> Self {
        Self::seen_by(api, count)
    }

    fn seen_by(mut api: ApiSettings, see: fn(&Mutex<Witness>, &Exchange<'_>)) -> Self {
        let witness = Arc::new(Mutex::new(Witness::default()));
        let speed = api.speed;
        let writes = Arc::clone(&witness);
        api.observer = Some(Observer::new(move |exchange| see(&writes, exchange)));
        let workspace = Workspace::new();
        let server = workspace.server_of(Faults::none(), api);
        Self {
            workspace,
            server,
            witness,
            speed,
        }
    }

    pub fn api(&self) -> &Api {
        self.server.0.api()
    }

    /// The id of the one list named VIP.
    #[track_caller]
    pub fn vip(&self) -> String {
        let lists = self.api().lists();
        let mut named = lists.into_iter().filter(|list| list.name == "VIP");
        let list = named.next().unwrap();
        assert!(named.next().is_none(), "two lists named VIP");
        list.id
    }

    /// Writes the audience: these addresses.
    pub fn audience(&self, emails: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut text = "mail,phone,key,first,tier\n".to_owned();
        for (row, email) in emails.into_iter().enumerate() {
            writeln!(text, "{},,,First {row},gold", email.as_ref()).unwrap();
        }
        self.workspace.write("audience.csv", text);
    }

    /// Writes an audience of mail, phone and key.
    pub fn audience_of(&self, people: &[[&str; 3]]) {
        let mut text = "mail,phone,key,first,tier\n".to_owned();
        for [mail, phone, key] in people {
            writeln!(text, "{mail},{phone},{key},Ana,gold").unwrap();
        }
        self.workspace.write("audience.csv", text);
    }

    /// Writes the job file.
    pub fn job(&self, job: &JobText) {
        let api = self.api();
        let key = job.key.clone();
        let key = key.unwrap_or_else(|| format!("api-key-file = \"{}\"", api.key_file().display()));
        let list = match job.list.as_str() {
            "" => String::new(),
            lines => format!("[list]\n{lines}\n"),
        };
        let sftp = if job.sftp {
            self.server.section()
        } else {
            String::new()
        };
        let text = format!(
            "name = \"{JOB}\"\n{}\n[audience]\nfiles = [\"audience.csv\"]\non-empty = \"skip\"\n[columns]\n{}\n[parts]\n{}\n{list}[klaviyo]\nbase-url = \"{}\"\n{key}\n{}\n[retry]\nfirst = \"5ms\"\nmax = \"50ms\"\ngive-up-after = \"{}\"\n{sftp}",
            job.top,
            job.columns,
            job.parts,
            job.base_url.as_deref().unwrap_or(api.base_url()),
            job.klaviyo,
            job.give_up_after,
        );
        self.workspace.write(FILE, text);
    }

    /// Starts the program.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.workspace.command(arguments);
        let command = command.env("KLAVIYO_EXPORT_API_SPEED", self.speed.to_string());
        command.spawn().unwrap()
    }

    /// Runs the program.
    pub fn execute(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.start(arguments))
    }

    /// `run vip.toml --json`.
    pub fn run(&self) -> Outcome {
        self.execute(&["run", FILE, "--json"])
    }

    /// A command of the program, as it says `next:`.
    pub fn execute_line(&self, line: &str) -> Outcome {
        let words = shlex::split(line).unwrap();
        let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        self.execute(&words)
    }

    /// The e-mail addresses of a list's members.
    pub fn emails(&self, list: &str) -> BTreeSet<String> {
        let members = self.api().members(list);
        let emails = members.iter().map(|member| member.text("email"));
        emails
            .map(|email| email.unwrap_or("-").to_owned())
            .collect()
    }

    /// Fails unless the list VIP has exactly these members.
    #[track_caller]
    pub fn assert_members(&self, expected: impl IntoIterator<Item = impl AsRef<str>>) {
        let expected: BTreeSet<String> = expected
            .into_iter()
            .map(|email| email.as_ref().to_owned())
            .collect();
        let found = self.emails(&self.vip());
        let missing: Vec<_> = expected.difference(&found).take(5).collect();
        let others: Vec<_> = found.difference(&expected).take(5).collect();
        assert!(
            missing.is_empty() && others.is_empty(),
            "{} expected, {} found; missing {missing:?}, others {others:?}",
            expected.len(),
            found.len()
        );
    }

    /// Puts new profiles with these addresses on a list; their ids.
    pub fn join_list(&self, list: &str, emails: &[&str]) -> Vec<String> {
        let ids = emails.iter();
        let ids: Vec<String> = ids
            .map(|email| self.api().add_profile(&[("email", email)]))
            .collect();
        self.api().add_members(list, &ids);
        ids
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Seen> {
        self.witness.lock().unwrap().calls.clone()
    }

    /// How often an operation was called.
    pub fn count(&self, operation: &str) -> usize {
        let witness = self.witness.lock().unwrap();
        let calls = witness.calls.iter();
        calls.filter(|call| call.operation == operation).count()
    }

    /// Which attributes profiles had in jobs.
    pub fn attributes(&self) -> BTreeSet<String> {
        self.witness.lock().unwrap().attributes.clone()
    }

    /// The id of the job's last run.
    pub fn run_id(&self) -> String {
        let folder = self.workspace.last_run(JOB);
        folder.file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// The ids in a file of a run, without the header.
    pub fn ids_in(&self, run: &str, file: &str) -> Vec<String> {
        let runs = self.workspace.path("state").join(JOB).join("runs");
        let text = std::fs::read_to_string(runs.join(run).join(file)).unwrap_or_default();
        text.lines().skip(1).map(str::to_owned).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let witness = self.witness.lock().unwrap();
        if !std::thread::panicking() {
            assert!(witness.complaints.is_empty(), "{:#?}", witness.complaints);
        }
    }
}

/// `n1@example.com` and so on.
pub fn people(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    let numbers = numbers.into_iter();
    numbers.map(|n| format!("n{n}@example.com")).collect()
}

/// How many seeds a random test tries: so many, or more in proportion when `KLAVIYO_EXPORT_TEST_SEEDS` is not ten.
pub fn seeds(usual: u64) -> u64 {
    let asked = std::env::var("KLAVIYO_EXPORT_TEST_SEEDS");
    let asked: u64 = asked.map_or(10, |text| text.parse().unwrap());
    (usual * asked).div_ceil(10)
}

fn count(witness: &Mutex<Witness>, exchange: &Exchange<'_>) {
    witness.lock().unwrap().calls.push(Seen {
        operation: exchange.operation.unwrap_or("-"),
        target: exchange.target.to_owned(),
        status: exchange.status,
        fault: exchange.fault,
        body_bytes: exchange.body.len(),
        items: 0,
        at: Instant::now(),
    });
}

fn note(witness: &Mutex<Witness>, exchange: &Exchange<'_>) {
    let body: Value = serde_json::from_slice(exchange.body).unwrap_or_default();
    let items = body
        .pointer("/data/attributes/profiles/data")
        .or_else(|| body.get("data"));
    let items = items.and_then(Value::as_array).map_or(0, Vec::len);
    let mut complaints = Vec::new();
    let looked = catch_unwind(AssertUnwindSafe(|| {
        look(exchange, &body, items, &mut complaints);
    }));
    if let Err(panic) = looked {
        let text = panic.downcast_ref::<String>().cloned();
        complaints.push(text.unwrap_or_else(|| "a panic without a text".to_owned()));
    }
    let mut attributes = BTreeSet::new();
    for profile in profiles(&body) {
        let names = profile["attributes"].as_object().into_iter().flatten();
        attributes.extend(names.map(|(name, _)| name.clone()));
    }
    let mut witness = witness.lock().unwrap();
    witness.complaints.extend(complaints);
    witness.attributes.extend(attributes);
    witness.calls.push(Seen {
        operation: exchange.operation.unwrap_or("-"),
        target: exchange.target.to_owned(),
        status: exchange.status,
        fault: exchange.fault,
        body_bytes: exchange.body.len(),
        items,
        at: Instant::now(),
    });
}

fn profiles(body: &Value) -> &[Value] {
    let profiles = body.pointer("/data/attributes/profiles/data");
    profiles
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The calls of the API that the program may make, and no others: no consent, no merging, no deleting.
const ALLOWED: [&str; 13] = [
    "get_accounts",
    "get_lists",
    "create_list",
    "get_list",
    "get_profiles_for_list",
    "add_profiles_to_list",
    "remove_profiles_from_list",
    "get_profiles",
    "bulk_import_profiles",
    "get_bulk_import_profiles_jobs",
    "get_bulk_import_profiles_job",
    "get_errors_for_bulk_import_profiles_job",
    "list_billing_usage",
];

/// The fault of a call.
fn look(exchange: &Exchange<'_>, body: &Value, items: usize, complaints: &mut Vec<String>) {
    let what = format!("{} {}", exchange.method, exchange.target);
    let mut must = |holds: bool, rule: &str| {
        if !holds {
            complaints.push(format!("{what}: {rule}"));
        }
    };
    look_at_head(exchange, &mut must);
    look_at_body(exchange, body, items, &mut must);
    // No operation of the contract answers so.
    if exchange.status == 307 {
        return;
    }
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static(JSON_API);
    headers.insert("content-type", kind);
    let reply = Reply {
        status: exchange.status,
        headers,
        body: exchange.answer.cloned().unwrap_or_default(),
    };
    let request = (!exchange.body.is_empty()).then_some(body);
    hold_to_contract(exchange.method, exchange.target, request, &reply);
}

fn look_at_head(exchange: &Exchange<'_>, must: &mut impl FnMut(bool, &str)) {
    let operation = exchange.operation.unwrap_or_default();
    must(
        ALLOWED.contains(&operation),
        "an operation that is never called",
    );
    let revision = exchange.header("revision");
    let is_retired = exchange.status == 410;
    must(is_retired || revision == Some(REVISION), "the revision");
    let opts_out = exchange.header("x-klaviyo-revision-fall-forward-opt-out");
    must(
        opts_out == Some("1"),
        "a revision is never changed silently",
    );
    let key = exchange.header("authorization").unwrap_or_default();
    must(key.starts_with("Klaviyo-API-Key pk_"), "the key");
    must(!exchange.target.contains("pk_"), "the key in the address");
    must(exchange.header("accept") == Some(JSON_API), "accept");
    let kind = exchange.header("content-type");
    must(
        exchange.body.is_empty() || kind == Some(JSON_API),
        "content-type",
    );
    must(exchange.target.len() <= 8_000, "an address of 8,000 bytes");
    let query = exchange.target.split_once('?').map_or("", |(_, it)| it);
    let largest = if operation == "get_lists" { 10 } else { 100 };
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let fits = value.parse().is_ok_and(|size: u32| size <= largest);
        must(name != "page%5Bsize%5D" || fits, "the page's size");
        let values = value.matches("%22%2C%22").count() + 1;
        must(name != "filter" || values <= 100, "100 values of any()");
    }
}

fn look_at_body(
    exchange: &Exchange<'_>,
    body: &Value,
    items: usize,
    must: &mut impl FnMut(bool, &str),
) {
    // `check` asks for nobody, to be refused for that alone.
    let is_probe = items == 0 && exchange.status == 400;
    match exchange.operation.unwrap_or_default() {
        "bulk_import_profiles" => {
            must(exchange.body.len() <= 5_000_000, "5 MB a job");
            must(
                is_probe || (1..=10_000).contains(&items),
                "10,000 profiles a job",
            );
            must(!has_null(body), "never null");
            let mut sizes = profiles(body).iter().map(|it| it.to_string().len());
            must(sizes.all(|size| size <= 100_000), "100 kB a profile");
            let lists = body.pointer("/data/relationships/lists/data");
            let lists = lists.and_then(Value::as_array);
            must(lists.is_none_or(|lists| lists.len() == 1), "one list a job");
            let inside = body.pointer("/data/attributes/lists");
            must(inside.is_none(), "relationships stand beside attributes");
        }
        "add_profiles_to_list" | "remove_profiles_from_list" => {
            must(is_probe || (1..=1_000).contains(&items), "1,000 ids a call");
            let ids = body["data"].as_array().into_iter().flatten();
            let ids: BTreeSet<_> = ids.map(|item| item["id"].as_str()).collect();
            must(ids.len() == items, "an id twice");
        }
        _ => {}
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(object) => object.values().any(has_null),
        _ => false,
    }
}
