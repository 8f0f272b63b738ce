//! `demo`: the whole main job on sample rows, against a sandbox that lives as long as the command.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Surroundings;
use super::sandbox::USERNAME;
use crate::cli::DemoArgs;
use crate::cli::progress::ProgressStyle;
use crate::job::Job;
use crate::job::file::JobFile;
use crate::run::error::Error;
use crate::run::list::create_list;
use crate::run::report::count;
use crate::run::{RunOptions, RunOutcome, execute};
use crate::state::storage::storage;
use klaviyo_export_sandbox::api::ApiSettings;
use klaviyo_export_sandbox::{Faults, Sandbox, SandboxSettings};

/// The sample rows, so that the binary needs nothing beside it.
const AUDIENCE: &str = include_str!("../../fixtures/audiences/customers.csv");
/// The sample job; the server, the API and the folders are filled in.
const JOB: &str = include_str!("../../fixtures/jobs/demo.toml");
/// How long imports take here. Klaviyo's take minutes to hours, and nobody would wait for that.
const IMPORT: Duration = Duration::from_millis(100);

/// Runs the sample job and says where to look at what arrived.
pub fn demo(args: &DemoArgs, surroundings: &Surroundings) -> Result<RunOutcome, Error> {
    let directory = demo_directory(args.directory.as_deref())?;
    let console = &surroundings.console;
    write(&directory.join("customers.csv"), AUDIENCE)?;
    write(&directory.join("demo.toml"), JOB)?;
    let sandbox = Sandbox::start(SandboxSettings {
        root: directory.join("sandbox"),
        port: 0,
        username: USERNAME.to_owned(),
        faults: Faults::none(),
        api: ApiSettings {
            job_delay: IMPORT,
            import_delay: IMPORT,
            ..ApiSettings::default()
        },
    })
    .map_err(|error| Error::Sandbox(error.into()))?;
    console.note(&format!(
        "sandbox:  an SFTP server like Klaviyo's, on {}",
        sandbox.address()
    ));
    console.note(&format!(
        "          and an API like Klaviyo's, on {}",
        sandbox.api().base_url()
    ));
    console.note(&format!(
        "job:      {}",
        directory.join("demo.toml").display()
    ));
    console.note(&format!(
        "rows:     {}\n",
        directory.join("customers.csv").display()
    ));
    let job = sample_job(&directory, &sandbox, surroundings)?;
    let audience = super::open_audience(&job, surroundings)?;
    let finished = execute(
        &job,
        audience,
        RunOptions {
            fresh: true,
            progress: ProgressStyle::None,
            ..RunOptions::default()
        },
        surroundings,
    )?;
    tell(&sandbox, &finished, surroundings);
    Ok(finished)
}

/// Says what has become of the rows in the sandbox.
fn tell(sandbox: &Sandbox, finished: &RunOutcome, surroundings: &Surroundings) {
    let console = &surroundings.console;
    for part in &finished.report.parts {
        let name = part
            .remote_path
            .as_deref()
            .and_then(|path| Path::new(path).file_name())
            .unwrap_or_default();
        console.note(&format!(
            "arrived:  {}",
            sandbox.profiles().join(name).display()
        ));
    }
    let api = sandbox.api();
    for imported in api.imports() {
        let profiles = count(imported.profiles, "profile");
        console.note(&format!("imported: {profiles} out of that file"));
    }
    for list in api.lists() {
        let members = count(list.profile_count as u64, "member");
        console.note(&format!("list:     {:?} has {members}", list.name));
    }
    console.note("");
}

fn sample_job(
    directory: &Path,
    sandbox: &Sandbox,
    surroundings: &Surroundings,
) -> Result<Job, Error> {
    let mut file = JobFile::parse(JOB)?;
    let path = |path: &Path| path.to_string_lossy().into_owned();
    file.sftp.host = sandbox.address().ip().to_string();
    file.sftp.port = Some(sandbox.address().port());
    file.sftp.username = Some(sandbox.username().to_owned());
    file.sftp.private_key = Some(path(sandbox.private_key()));
    file.sftp.known_hosts = vec![path(sandbox.known_hosts())];
    sandbox
        .api()
        .base_url()
        .clone_into(&mut file.klaviyo.base_url);
    file.klaviyo.api_key_file = Some(path(sandbox.api().key_file()));
    let environment = &surroundings.environment;
    let mut job = Job::from_file(file, directory, environment)?;
    // The account is a new one each time: the list of an earlier demo in this folder is not in it.
    create_list(&mut job)?;
    job.read_secrets(environment)?;
    job.state_directory = Some(directory.join("state"));
    Ok(job)
}

/// The folder that was asked for, or a new one that stays.
fn demo_directory(asked: Option<&Path>) -> Result<PathBuf, Error> {
    let made = match asked {
        Some(path) => std::fs::create_dir_all(path).and_then(|()| std::path::absolute(path)),
        None => tempfile::Builder::new()
            .prefix("klaviyo-export-demo-")
            .tempdir()
            .map(tempfile::TempDir::keep),
    };
    let path = asked.map_or_else(std::env::temp_dir, Path::to_path_buf);
    Ok(made.map_err(storage(&path, "make the demo's folder"))?)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    Ok(std::fs::write(path, text).map_err(storage(path, "write it"))?)
}
