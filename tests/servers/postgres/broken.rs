//! Queries that end early: a backend that is killed, and a signal.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::workspace::Server;
use super::{EMAIL, Outcome, PASSWORD, Postgres, Workspace, job};

/// Many rows at once, more than drivers hold back, then a long wait for the last one while `knob` says so.
const QUERY: &str = "SELECT 'user' || g || '@example.com' AS email, repeat('x', 300) AS wide FROM generate_series(1, 200000) AS g \
    UNION ALL SELECT 'late@example.com', '' FROM pg_sleep((SELECT seconds FROM knob))";

/// Writes a job that asks a server a query, with more keys of `[audience]`, then columns.
type WriteJob = fn(&Workspace, &Postgres, &str, &str, &str);

pub(crate) struct Scene {
    postgres: Postgres,
    workspace: Workspace,
    sandbox: Server,
}

impl Scene {
    pub(crate) fn new(job: WriteJob) -> Self {
        let postgres = Postgres::start();
        postgres.shop("CREATE TABLE knob AS SELECT 600 AS seconds");
        let workspace = Workspace::new();
        let sandbox = workspace.server();
        let columns = format!(
            "{EMAIL}[parts]\nmax-rows = 20000\nkeep-parts = true\n{}",
            sandbox.section()
        );
        job(&workspace, &postgres, QUERY, "", &columns);
        Self {
            postgres,
            workspace,
            sandbox,
        }
    }

    fn start(&self) -> Child {
        let mut command = self.workspace.command(&["run", "vip.toml", "--json"]);
        command.env("PGPASSWORD", PASSWORD).spawn().unwrap()
    }

    /// Starts a run, and waits until parts of it are on the server while the query waits.
    fn start_and_wait(&self) -> (Child, String) {
        let child = self.start();
        let begun = Instant::now();
        while self.sandbox.received().len() < 2 {
            assert!(begun.elapsed() < Duration::from_mins(1), "no part arrives");
            std::thread::sleep(Duration::from_millis(20));
        }
        (child, self.postgres.wait_for_query("pg_sleep"))
    }

    /// Fails unless everything on the server is a whole part of 20,000 rows.
    fn assert_whole_parts(&self) {
        for part in self.sandbox.received() {
            assert_eq!(part.lines().count(), 20_001);
            assert!(!part.contains("late@"));
        }
    }

    /// The query no longer waits: a run begins anew and delivers everything.
    fn finish(&self, first: &Outcome) {
        self.postgres.shop("UPDATE knob SET seconds = 0");
        let outcome = Outcome::of(self.start()).exits(0);
        let (old, new) = (first.report(), outcome.report());
        assert_ne!(old["run_id"], new["run_id"]);
        assert_eq!(new["rows_written"], 200_001);
        let old = old["run_id"].as_str().unwrap();
        let manifest = format!("state/vip/runs/{old}/manifest.json");
        let manifest = std::fs::read_to_string(self.workspace.path(&manifest)).unwrap();
        assert!(manifest.contains("\"superseded\""), "{manifest}");
        let mut rows: Vec<String> = Vec::new();
        for part in self.workspace.parts("vip") {
            rows.extend(part.lines().skip(1).map(str::to_owned));
        }
        let expected: Vec<String> = (1..=200_000)
            .map(|g| format!("\"user{g}@example.com\""))
            .chain(["\"late@example.com\"".to_owned()])
            .collect();
        assert!(rows == expected, "the parts are not the audience");
        let received = self.sandbox.received();
        for part in self.workspace.parts("vip") {
            assert!(received.contains(&part), "a part is not on the server");
        }
    }

    /// Kills the backend between rows: the run ends with what is `told` and whole parts only, the next one asks again.
    pub(crate) fn assert_survives_a_kill(&self, told: &[&str]) {
        let (child, pid) = self.start_and_wait();
        let end = format!("SELECT pg_terminate_backend({pid})");
        self.postgres.sql(&end);
        let outcome = Outcome::of(child).exits(12);
        let error = outcome.error();
        for words in told {
            assert!(error.contains(words), "{error}");
        }
        self.assert_whole_parts();
        self.finish(&outcome);
    }
}

#[test]
fn a_killed_backend_ends_the_run_and_the_next_one_asks_again() {
    Scene::new(job).assert_survives_a_kill(&[
        "was lost; nothing of the unfinished part was sent",
        "the next run asks again",
    ]);
}

#[test]
fn a_signal_cancels_the_query_on_the_server() {
    let scene = Scene::new(job);
    let (child, _) = scene.start_and_wait();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let outcome = Outcome::of(child).exits(130);
    assert_eq!(scene.postgres.running("pg_sleep"), "");
    scene.assert_whole_parts();
    scene.finish(&outcome);
}

#[test]
fn a_signal_cancels_a_statement_before_and_a_query_without_a_row() {
    let postgres = Postgres::start();
    let workspace = Workspace::new();
    let sandbox = workspace.server();
    let columns = format!("{EMAIL}{}", sandbox.section());
    let sleeping = "SELECT 'a@example.com' AS email FROM pg_sleep(600)";
    for (query, more) in [
        (sleeping, ""),
        (
            "SELECT 'a@example.com' AS email",
            "before = [\"SELECT pg_sleep(600)\"]",
        ),
    ] {
        job(&workspace, &postgres, query, more, &columns);
        let mut command = workspace.command(&["run", "vip.toml", "--json"]);
        let child = command.env("PGPASSWORD", PASSWORD).spawn().unwrap();
        postgres.wait_for_query("pg_sleep");
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        Outcome::of(child).exits(143);
        assert_eq!(postgres.running("pg_sleep"), "");
    }
    assert!(sandbox.received().is_empty());
}
