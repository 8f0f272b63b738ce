//! The packaged service: where its job files and its state are, and the command that starts it.
//!
//! Whoever asks for the runs of a service's job as another user sees another state directory, in which there is no run. To
//! run the job from there would send all rows again.

use std::path::{Path, PathBuf};

use crate::cli::command_line::CommandLine;

/// The folder of the service's job files (packaging/klaviyo-export@.service).
const JOBS: &str = "etc/klaviyo-export";
/// Its state directory.
const STATE: &str = "var/lib/klaviyo-export";

/// The service on this machine.
pub(crate) struct Service {
    jobs: PathBuf,
    state: PathBuf,
}

impl Service {
    /// The service of the file system at `root`.
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            jobs: root.join(JOBS),
            state: root.join(STATE),
        }
    }

    /// The command to type where `line` found no run of `job` in `looked_in`: the same one over the service's state, or the
    /// start of the service. `None` of a job that is not the service's.
    pub(crate) fn next(
        &self,
        line: &CommandLine,
        job: &str,
        job_file: &Path,
        looked_in: &Path,
    ) -> Option<CommandLine> {
        if looked_in.starts_with(&self.state) {
            return self.start(job_file);
        }
        self.state_of(line, job, looked_in)
            .or_else(|| self.start(job_file))
    }

    /// The same command over the service's state, if `job` has runs there and another state was looked at.
    pub(crate) fn state_of(
        &self,
        line: &CommandLine,
        job: &str,
        looked_in: &Path,
    ) -> Option<CommandLine> {
        let is_there = !looked_in.starts_with(&self.state) && self.state.join(job).is_dir();
        let state = self.state.to_string_lossy();
        is_there.then(|| line.clone().with_value("--state-dir", &state))
    }

    fn start(&self, job_file: &Path) -> Option<CommandLine> {
        let job_file = std::path::absolute(job_file).ok()?;
        let is_its_own = job_file.parent() == Some(&self.jobs)
            && job_file.extension().is_some_and(|end| end == "toml");
        let instance = job_file.file_stem().filter(|_| is_its_own)?;
        let unit = format!("klaviyo-export@{}", instance.to_string_lossy());
        Some(CommandLine::of_program("systemctl", ["start", &*unit]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_s_job_is_looked_at_in_its_state_or_started_and_never_run_from_elsewhere() {
        let root = tempfile::tempdir().unwrap();
        let service = Service::at(root.path());
        let jobs = root.path().join(JOBS);
        let line = CommandLine::new(["status", "vip.toml"]);
        let elsewhere = Path::new("/root/.local/state/klaviyo-export/vip/runs");
        let next = |job_file: &Path, looked_in: &Path| {
            let next = service.next(&line, "vip", job_file, looked_in);
            next.map(|next| next.to_string())
        };
        let own = jobs.join("nightly.toml");
        let start = Some("systemctl start klaviyo-export@nightly".to_owned());
        assert_eq!(next(&own, elsewhere), start);
        assert_eq!(next(Path::new("/home/ana/vip.toml"), elsewhere), None);
        let state = root.path().join(STATE);
        std::fs::create_dir_all(state.join("vip")).unwrap();
        let there = format!(
            "klaviyo-export status vip.toml --state-dir {}",
            state.display()
        );
        assert_eq!(next(&own, elsewhere), Some(there.clone()));
        assert_eq!(
            next(Path::new("/home/ana/vip.toml"), elsewhere),
            Some(there)
        );
        assert_eq!(next(&own, &state.join("vip/runs")), start);
        let by_name = |looked_in: &Path| {
            let next = service.state_of(&line, "vip", looked_in);
            next.map(|next| next.to_string())
        };
        assert_eq!(by_name(elsewhere), next(&own, elsewhere));
        assert_eq!(by_name(&state), None);
    }
}
