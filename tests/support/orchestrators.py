"""Runs the example of an orchestrator in process, once for each job file, and prints a line of JSON for each.

    python orchestrators.py airflow|dagster|prefect EXAMPLES JOB.toml...

A line has `outcome` (delivered, failed; of Airflow and Prefect, whose engines are not started: fails at once, retried), `attempts`,
and `counts`. Waits between attempts are left out.
"""

import json
import logging
import sys

name, examples, *jobs = sys.argv[1:]
sys.path.insert(0, examples)

import klaviyo_export

attempts = 0
deliver = klaviyo_export.deliver


def counted(*arguments, **keywords):
    global attempts
    attempts += 1
    return deliver(*arguments, **keywords)


klaviyo_export.deliver = counted


def airflow(job):
    import airflow_dag
    from airflow.sdk.exceptions import AirflowFailException

    # A file of DAGs is one when it is read: Airflow does no more with it.
    dag = airflow_dag.klaviyo_vip()
    (task,) = dag.tasks
    assert (dag.dag_id, dag.schedule, dag.max_active_runs, dag.catchup) == ("klaviyo_vip", "30 2 * * *", 1, False)
    assert (task.task_id, task.retries) == ("deliver_vip", 3)
    airflow_dag.JOB = job
    try:
        return "delivered", airflow_dag.deliver_vip.function()
    except AirflowFailException:
        return "fails at once", None
    except klaviyo_export.RunAgain:
        return "retried", None


def dagster(job):
    import dagster
    import dagster_asset

    dagster_asset.JOB = job
    request = dagster.RetryRequested
    dagster_asset.RetryRequested = lambda max_retries, seconds_to_wait: request(max_retries, seconds_to_wait=0)
    (job_of_asset,) = [it for it in dagster_asset.definitions.get_repository_def().get_all_jobs() if "nightly" in it.name]
    with dagster.DagsterInstance.ephemeral() as instance:
        result = job_of_asset.execute_in_process(instance=instance, raise_on_error=False)
    if not result.success:
        return "failed", None
    (made,) = result.asset_materializations_for_node("klaviyo_vip")
    return "delivered", {key: value.value for key, value in made.metadata.items()}


def prefect(job):
    import asyncio

    import prefect_flow
    from prefect.logging import disable_run_logger
    from prefect.states import exception_to_failed_state

    # Its engine would start a server, which takes longer than everything else here.
    task = prefect_flow.deliver_vip
    assert (task.retries, task.retry_condition_fn) == (3, prefect_flow.is_continued)
    with disable_run_logger():
        try:
            return "delivered", task.fn(job)
        except Exception as error:
            state = asyncio.run(exception_to_failed_state(error))
            return "retried" if task.retry_condition_fn(task, None, state) else "fails at once", None


logging.disable(logging.WARNING)
for job in jobs:
    attempts = 0
    outcome, counts = {"airflow": airflow, "dagster": dagster, "prefect": prefect}[name](job)
    print("\n" + json.dumps({"outcome": outcome, "attempts": attempts, "counts": counts}))
