"""Airflow 3: delivers the job vip every night. This file and klaviyo_export.py go into the folder of DAGs.

The program and the job file are on the workers, and all workers see one state folder: the next attempt continues a run
wherever it is. Secrets are files that the job file names.
"""

from datetime import datetime, timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException

JOB = "/etc/klaviyo-export/vip.toml"


@task(retries=3, retry_delay=timedelta(minutes=10), execution_timeout=timedelta(hours=6))
def deliver_vip() -> dict:
    # Imported here: Airflow reads this file every few seconds.
    from klaviyo_export import NeedsPerson, counts, deliver

    try:
        report = deliver(JOB)
    except NeedsPerson as error:
        # The retries are for `RunAgain`, which stays as it is. This one fails at once.
        raise AirflowFailException(str(error)) from error
    return counts(report)


@dag(
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # A second run of the same job would end with exit code 11.
    max_active_runs=1,
    tags=["klaviyo"],
)
def klaviyo_vip():
    # Where a task makes the audience: make_audience() >> deliver_vip()
    deliver_vip()


klaviyo_vip()
