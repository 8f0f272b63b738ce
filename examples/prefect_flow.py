"""Prefect 3: delivers the job vip every night. `python prefect_flow.py` serves the flow with its schedule.

The program and the job file are where the flow runs, and the state folder outlives a run. Secrets are files that the job
file names. klaviyo_export.py is next to this file.
"""

from prefect import flow, get_run_logger, task

from klaviyo_export import RunAgain, counts, deliver

JOB = "/etc/klaviyo-export/vip.toml"


def is_continued(task, run, state) -> bool:
    """Whether a retry helps: the other failures need a person."""
    try:
        state.result()
    except RunAgain:
        return True
    except Exception:
        return False
    return False


@task(retries=3, retry_delay_seconds=600, retry_condition_fn=is_continued)
def deliver_vip(job: str) -> dict:
    return counts(deliver(job, log=get_run_logger().info))


@flow
def klaviyo_vip(job: str = JOB) -> dict:
    return deliver_vip(job)


if __name__ == "__main__":
    # `limit`: a second run of the same job would end with exit code 11.
    klaviyo_vip.serve(name="nightly", cron="30 2 * * *", limit=1)
