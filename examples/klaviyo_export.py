"""Runs a job of klaviyo-export from Python. The examples for Airflow, Dagster and Prefect import it: put it next to them.

    report = deliver("/etc/klaviyo-export/vip.toml")

The exit code decides who continues: `RunAgain` is for the retries of the orchestrator, `NeedsPerson` is for a person.
"""

import json
import subprocess
import tempfile

# The transfer failed, SIGINT, SIGTERM; and -9: the system killed the program, as it does when memory runs out.
# The next run of the same job continues this one, and sends nothing twice.
CONTINUES = {14, 130, 143, -9}
# Klaviyo's API. It was a temporary failure if the program names the next command.
KLAVIYO = 16


class RunAgain(Exception):
    """The same command continues the run."""


class NeedsPerson(Exception):
    """The same would happen again: the job, the audience, a login or a guard needs somebody to look at it."""


def deliver(job, *flags, log=print):
    """Runs the job file and returns its report as a dict. `log` gets each line of the program's log."""
    command = ["klaviyo-export", "run", str(job), "--json", *flags]
    error, has_next = "", False
    # The report goes to a file: a pipe that nobody reads would stop the program.
    with tempfile.TemporaryFile() as report:
        process = subprocess.Popen(command, stdout=report, stderr=subprocess.PIPE, text=True, errors="replace")
        try:
            for line in map(str.rstrip, process.stderr):
                log(line)
                if line.startswith("error: "):
                    error = line.removeprefix("error: ")
                has_next = has_next or line.startswith("next: ")
            code = process.wait()
        finally:
            # The orchestrator ends this task: so does the program. It leaves no broken file on the server.
            if process.poll() is None:
                process.terminate()
                process.wait()
        report.seek(0)
        text = report.read()
    if code == 0:
        return json.loads(text)
    told = f"klaviyo-export ended with exit code {code}: {error}"
    if code in CONTINUES or (code == KLAVIYO and has_next):
        raise RunAgain(told)
    raise NeedsPerson(told)


def counts(report):
    """The numbers of a report that are worth a look later. No report has values of a person."""
    names = ("rows_read", "rows_written", "rows_rejected", "duplicates")
    return {name: report[name] for name in names} | {"run_id": report["run_id"]}
