#!/bin/sh
# Sends the files of one job by several processes on this machine, then puts all of them on the list.
#
#     ./for-loop.sh vip.toml 4                  a run group of its own
#     ./for-loop.sh vip.toml 4 2026-11-23       the same line again continues where it stopped
#
# With BEFORE=1 the job's before statements come first, once.
set -eu
JOB=$1
SHARDS=$2
RUN_GROUP=${3:-$(date -u +%Y%m%dT%H%M%SZ)}

if [ -n "${BEFORE:-}" ]; then
    klaviyo-export run "$JOB" --before-only
fi

processes=
for shard in $(seq "$SHARDS"); do
    klaviyo-export run "$JOB" --shard "$shard/$SHARDS" --run-group "$RUN_GROUP" --progress lines &
    processes="$processes $!"
done

code=0
for process in $processes; do
    wait "$process" || code=$?
done
if [ "$code" -ne 0 ]; then
    echo "a shard of run group $RUN_GROUP is not done; to continue: $0 $JOB $SHARDS $RUN_GROUP" >&2
    exit "$code"
fi

klaviyo-export list "$JOB" --run-group "$RUN_GROUP"
