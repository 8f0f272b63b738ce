//! A Spark cluster of its own on loopback: a master, two workers and a Connect server, from the pyspark of `tests/engines`.

#![allow(
    clippy::disallowed_methods,
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is the failure"
)]

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::engines;

/// A cold start takes about 40 s where nothing else works.
const LIMIT: Duration = Duration::from_mins(4);

/// The cluster; dropping it kills it.
pub(crate) struct Spark {
    processes: Vec<Child>,
    port: u16,
}

impl Spark {
    /// Starts it with its logs in `folder`.
    pub(crate) fn start(folder: &Path) -> Self {
        let (master, port) = (free_port(), free_port());
        let mut spark = Self {
            processes: Vec::new(),
            port,
        };
        let at = master.to_string();
        let url = format!("spark://127.0.0.1:{master}");
        let class = "org.apache.spark.deploy.master.Master";
        let arguments = [
            class,
            "--host",
            "127.0.0.1",
            "--port",
            &at,
            "--webui-port",
            "0",
        ];
        spark.run(folder, "master", "spark-class", &arguments);
        spark.wait_for(master, folder, "master");
        for worker in ["worker-1", "worker-2"] {
            let class = "org.apache.spark.deploy.worker.Worker";
            let work = folder.join(worker).display().to_string();
            let arguments = [
                class,
                "--host",
                "127.0.0.1",
                "--cores",
                "1",
                "--memory",
                "1g",
                "--webui-port",
                "0",
                "--work-dir",
                &work,
                &url,
            ];
            spark.run(folder, worker, "spark-class", &arguments);
        }
        let warehouse = format!(
            "spark.sql.warehouse.dir={}",
            folder.join("warehouse").display()
        );
        let binding = format!("spark.connect.grpc.binding.port={port}");
        let mut arguments = vec![
            "--class",
            "org.apache.spark.sql.connect.service.SparkConnectServer",
            "--master",
            &url,
        ];
        for setting in [
            "spark.ui.enabled=false",
            "spark.driver.host=127.0.0.1",
            "spark.driver.bindAddress=127.0.0.1",
            "spark.connect.grpc.binding.address=127.0.0.1",
            &binding,
            "spark.driver.memory=800m",
            "spark.executor.memory=800m",
            &warehouse,
        ] {
            arguments.extend(["--conf", setting]);
        }
        arguments.push("spark-internal");
        spark.run(folder, "connect", "spark-submit", &arguments);
        spark.wait_for(port, folder, "connect");
        spark
    }

    /// Where Connect listens.
    pub(crate) fn uri(&self) -> String {
        format!("sc://127.0.0.1:{}", self.port)
    }

    fn run(&mut self, folder: &Path, log: &str, program: &str, arguments: &[&str]) {
        let home = engines::packages().join("pyspark");
        let log = File::create(folder.join(format!("{log}.log"))).unwrap();
        // The scripts end in exec: the process is Java itself.
        let process = Command::new(home.join("bin").join(program))
            .args(arguments)
            .current_dir(folder)
            .env("SPARK_HOME", &home)
            .env("SPARK_LOCAL_IP", "127.0.0.1")
            .env("SPARK_LOCAL_DIRS", folder.join("local"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.processes.push(process.unwrap());
    }

    fn wait_for(&mut self, port: u16, folder: &Path, log: &str) {
        let begun = Instant::now();
        let tail =
            || std::fs::read_to_string(folder.join(format!("{log}.log"))).unwrap_or_default();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let has_ended = self.processes.last_mut().unwrap().try_wait().unwrap();
            assert!(
                has_ended.is_none(),
                "Spark's {log} ended (is Java 17 installed?):\n{}",
                tail()
            );
            assert!(
                begun.elapsed() < LIMIT,
                "Spark's {log} does not start:\n{}",
                tail()
            );
            std::thread::park_timeout(Duration::from_millis(200));
        }
    }
}

impl Drop for Spark {
    fn drop(&mut self) {
        use rustix::process::{Pid, Signal, kill_process};
        // Asked to end, so that workers end their executors; the last started first.
        for process in self.processes.iter_mut().rev() {
            if let Some(pid) = Pid::from_raw(process.id().cast_signed()) {
                let _ = kill_process(pid, Signal::TERM);
            }
            let begun = Instant::now();
            while let Ok(None) = process.try_wait() {
                if begun.elapsed() > Duration::from_secs(20) {
                    let _ = process.kill();
                }
                std::thread::park_timeout(Duration::from_millis(50));
            }
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
