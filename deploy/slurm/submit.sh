#!/usr/bin/env bash
# Submits a sweep in N shards and the job that puts them together.
# Usage: deploy/slurm/submit.sh N SCENARIO|PLAN A..B DIR [options of sbatch]
# DIR must be seen by all nodes, and so must the program: KTRIAL names it [default: ktrial].
set -euo pipefail
if [ $# -lt 4 ]; then
  sed -n '2,4s/^# //p' "$0" >&2
  exit 3
fi
here=$(cd "$(dirname "$0")" && pwd)
shards=$1
export SWEEP=$2 SEEDS=$3 OUT=$4
shift 4
mkdir -p "$OUT/log"
job=$(sbatch --parsable --array="1-$shards" --output="$OUT/log/shard-%a.txt" "$@" "$here/sweep.sbatch")
# afterany, not afterok: a shard that found something has failed, and then above all they are to be merged.
merge=$(sbatch --parsable --dependency="afterany:$job" --output="$OUT/log/merge.txt" "$@" "$here/merge.sbatch")
echo "sweep: job $job, $shards shards; merge: job $merge; results: $OUT/all"
