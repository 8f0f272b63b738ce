//! Ways that hang, refuse, die or lead elsewhere: an end within the limit, and words for it.

use std::time::{Duration, Instant};

use super::{Manner, Proxy, TwoHops};
use crate::support::sshd::SshdBuilder;
use crate::support::transport::over_both;

over_both! {
    a_proxy_that_dies_in_a_part_costs_an_attempt;
    a_program_that_fails_is_told_in_its_own_words;
    a_program_ends_with_the_run_and_its_children_too;
}

/// The page of a `check` that fails, which has these words and is there soon. `case` names it where it is not so.
fn fails_in_time(two: &TwoHops, words: &str, case: &str) -> String {
    let begun = Instant::now();
    let told = two.check(14).stdout;
    assert!(told.contains(words), "{case}: {told}");
    // Sooner than what hangs would end by itself, on a busy machine too.
    assert!(
        begun.elapsed() < Duration::from_secs(45),
        "{case}: {:?}",
        begun.elapsed()
    );
    told
}

#[test]
fn proxies_that_hang_refuse_or_die_are_told_within_the_limit() {
    let two = TwoHops::new();
    for scheme in ["socks5", "http"] {
        for (manner, words) in [
            (Manner::Hang, "the proxy did not answer within 5 s"),
            (Manner::Refuse, "the proxy does not allow this connection"),
            (Manner::Unreachable, "the proxy could not connect"),
            (Manner::Die, "the proxy closed the connection"),
            (Manner::Garbage, "it is no"),
        ] {
            let proxy = Proxy::start(manner);
            two.job(&format!("proxy = \"{}\"\n", proxy.url(scheme)));
            let told = fails_in_time(&two, words, &format!("{manner:?}"));
            assert!(!told.contains('\x1b'), "{told}");
        }
    }
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let two = TwoHops::new();
    let gone = Proxy::start(Manner::Die);
    let url = gone.url("socks5");
    drop(gone);
    two.job(&format!("proxy = \"{url}\"\n"));
    let outcome = two.check(14);
    assert!(
        outcome.stdout.contains("the proxy cannot be reached"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stdout.contains(&url), "{}", outcome.stdout);
}

fn a_proxy_that_dies_in_a_part_costs_an_attempt() {
    let two = TwoHops::new();
    let proxy = Proxy::start(Manner::DieAfter(100_000));
    two.job(&format!("proxy = \"{}\"\n", proxy.url("http")));
    let outcome = two.workspace.run(&["run", "vip.toml"]).exits(14);
    assert!(outcome.stderr.contains("was lost"), "{}", outcome.stderr);
    let proxy = Proxy::start(Manner::Forward);
    two.job(&format!("proxy = \"{}\"\n", proxy.url("http")));
    two.assert_delivered();
}

#[test]
fn a_refusal_by_rule_is_not_tried_again() {
    let two = TwoHops::new();
    let proxy = Proxy::start(Manner::Refuse);
    two.job(&format!("proxy = \"{}\"\n", proxy.url("http")));
    let job = std::fs::read_to_string(two.workspace.path("vip.toml")).unwrap();
    let job = job.replace("give-up-after = \"2s\"", "give-up-after = \"10m\"");
    two.workspace.write("vip.toml", job);
    let begun = Instant::now();
    let outcome = two.workspace.run(&["run", "vip.toml"]).exits(14);
    assert!(
        begun.elapsed() < Duration::from_mins(2),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stderr.contains("403 Forbidden"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn an_answer_that_stays_the_same_ends_the_run_long_before_it_gives_up() {
    let mut two = TwoHops::new();
    for line in ["MaxSessions 0", "ForceCommand echo Welcome"] {
        two.server = SshdBuilder::default().config(line).start();
        two.know(&[&two.server]);
        two.job("");
        let job = std::fs::read_to_string(two.workspace.path("vip.toml")).unwrap();
        let job = job.replace("give-up-after = \"2s\"", "give-up-after = \"10m\"");
        two.workspace.write("vip.toml", job);
        let begun = Instant::now();
        let outcome = two.workspace.run(&["run", "vip.toml"]).exits(14);
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{}",
            outcome.stderr
        );
        // Two tries of each of two sessions at most.
        let logins = two.server.log_count("Accepted publickey");
        assert!(
            (2..=4).contains(&logins),
            "{line}: {logins} logins, {}",
            outcome.stderr
        );
    }
}

fn a_program_that_fails_is_told_in_its_own_words() {
    let two = TwoHops::new();
    for (command, words) in [
        (
            r#"["sh", "-c", "echo first >&2; printf '\\033[31mno route\\n' >&2; exit 7"]"#,
            "sh ended with exit status: 7: \\u{1b}[31mno route",
        ),
        (
            r#"["/no/such/program", "%h"]"#,
            "through the program /no/such/program",
        ),
        (r#"["cat"]"#, "cat"),
        (r#"["sleep", "60"]"#, "did not answer within 5 s"),
    ] {
        two.job(&format!("proxy-command = {command}\n"));
        fails_in_time(&two, words, command);
    }
}

fn a_program_ends_with_the_run_and_its_children_too() {
    let two = TwoHops::new();
    let mark = two.workspace.path("pids");
    two.job(&format!(
        "proxy-command = [\"sh\", \"-c\", \"sleep 61 & echo $! $$ > {}; wait\"]\n",
        mark.display()
    ));
    two.check(14);
    let pids = std::fs::read_to_string(mark).unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    for pid in pids.split_whitespace() {
        let status = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // One that nobody waits for may be there as a zombie.
        while !status().is_empty() && !status().contains(") Z ") {
            assert!(Instant::now() < until, "{pid} runs on: {}", status());
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_job_file_that_others_can_write_runs_no_program() {
    let two = TwoHops::new();
    two.job("proxy-command = [\"nc\", \"%h\", \"%p\"]\n");
    two.workspace.set_mode("vip.toml", 0o666);
    let outcome = two.check(10);
    assert!(outcome.stderr.contains("chmod go-w"), "{}", outcome.stderr);
}

#[test]
fn no_way_leads_out_of_this_machine_where_that_is_forbidden() {
    let two = TwoHops::new();
    for way in [
        "proxy = \"socks5://192.0.2.1:1080\"\n",
        "jump = \"ana@192.0.2.1\"\n",
    ] {
        two.job(way);
        let outcome = two.check(14);
        assert!(
            outcome.stdout.contains("only loopback addresses"),
            "{}",
            outcome.stdout
        );
    }
    let server = "host = \"192.0.2.1\"\nusername = \"ana\"\nprivate-key = \"k\"\n";
    for way in [
        "proxy = \"socks5://127.0.0.1:1080\"\n".to_owned(),
        two.jump(),
        "proxy-command = [\"cat\"]\n".to_owned(),
    ] {
        two.job_to(server, &way);
        let outcome = two.workspace.run(&["check", "vip.toml"]);
        assert!(
            outcome.stdout.contains("only loopback addresses"),
            "{}",
            outcome.stdout
        );
    }
}
