#!/bin/bash
# Sends the files of one job by a Slurm array, then puts all of them on the list.
#
#     ./slurm-array.sh vip.toml 16
#     ./slurm-array.sh vip.toml 16 2026-11-23     the same line again continues where it stopped
#
# KLAVIYO_EXPORT_STATE_DIR, the job file and its files are in folders that all nodes see.
set -euo pipefail
export JOB=$1
export SHARDS=$2
export RUN_GROUP=${3:-$(date -u +%Y%m%dT%H%M%SZ)}
: "${KLAVIYO_EXPORT_STATE_DIR:?names a folder that all nodes see}"
after=()

# Where the job has before statements: BEFORE=1 ./slurm-array.sh ...
if [ -n "${BEFORE:-}" ]; then
    before=$(sbatch --parsable --job-name=before \
        --wrap='klaviyo-export run "$JOB" --before-only')
    after=(--dependency="afterok:$before")
fi

array=$(sbatch --parsable --job-name=shards --array="1-$SHARDS" --cpus-per-task=2 \
    ${after[@]+"${after[@]}"} \
    --wrap='klaviyo-export run "$JOB" --shard "$SLURM_ARRAY_TASK_ID/$SHARDS" --run-group "$RUN_GROUP" --progress lines')

sbatch --job-name=list --dependency="afterok:$array" \
    --wrap='klaviyo-export list "$JOB" --run-group "$RUN_GROUP" --progress lines'
