"""Dagster: the delivery of the job vip is an asset, made every night. `dagster dev -f dagster_asset.py` shows it.

The program and the job file are where the code runs, and the state folder outlives a run. Secrets are files that the job
file names. klaviyo_export.py is next to this file.
"""

from dagster import (
    AssetExecutionContext,
    AssetSelection,
    Definitions,
    Failure,
    MaterializeResult,
    RetryRequested,
    ScheduleDefinition,
    asset,
    define_asset_job,
)

from klaviyo_export import NeedsPerson, RunAgain, counts, deliver

JOB = "/etc/klaviyo-export/vip.toml"


# Where assets make the audience: deps=["customers"]. The pool keeps two runs of the job apart, if it has one slot.
@asset(group_name="klaviyo", pool="klaviyo_vip")
def klaviyo_vip(context: AssetExecutionContext) -> MaterializeResult:
    """The audience vip, as the files that Klaviyo's SFTP server has accepted."""
    try:
        report = deliver(JOB, log=context.log.info)
    except RunAgain as error:
        raise RetryRequested(max_retries=3, seconds_to_wait=600) from error
    except NeedsPerson as error:
        raise Failure(str(error), allow_retries=False) from error
    return MaterializeResult(metadata=counts(report))


nightly = define_asset_job("klaviyo_vip_nightly", AssetSelection.assets(klaviyo_vip))
definitions = Definitions(
    assets=[klaviyo_vip],
    jobs=[nightly],
    schedules=[ScheduleDefinition(job=nightly, cron_schedule="30 2 * * *", execution_timezone="UTC")],
)
