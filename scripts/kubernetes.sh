#!/usr/bin/env bash
# Checks deploy/kubernetes against the schema of Kubernetes, and that the check is awake: a planted mistake
# must be refused; then runs the commands of its containers here, without a cluster. Needs python3;
# kubernetes-validate goes into a venv under target/. The program: KTRIAL, default target/release/ktrial.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${CARGO_TARGET_DIR:-target}/kubernetes-venv
if [ ! -x "$venv/bin/kubernetes-validate" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check 'kubernetes-validate==1.37.0'
fi
validate() { "$venv/bin/kubernetes-validate" --strict -k 1.37 "$@"; }

validate deploy/kubernetes/job.yaml
planted=$(mktemp --suffix=.yaml)
trap 'rm -f "$planted"' EXIT
sed 's/backoffLimitPerIndex/backoffLimitPerindex/' deploy/kubernetes/job.yaml >"$planted"
if validate "$planted" >/dev/null 2>&1; then
  echo "the check let a planted mistake pass" >&2
  exit 1
fi
# What no schema says: the number of shards stands in two places.
completions=$(sed -n 's/^  completions: \([0-9]*\).*/\1/p' deploy/kubernetes/job.yaml)
shards=$(sed -n 's/.*name: SHARDS, value: "\([0-9]*\)".*/\1/p' deploy/kubernetes/job.yaml)
if [ "$completions" != "$shards" ]; then
  echo "completions is $completions, SHARDS is $shards" >&2
  exit 1
fi
echo "deploy/kubernetes/job.yaml is right by the schema, $shards shards; a planted mistake was refused"

# The commands of its containers, run here as a cluster would: one shell for each index, then the merge.
folder=$(mktemp -d)
trap 'rm -rf "$planted" "$folder"' EXIT
program=$(realpath "${KTRIAL:-target/release/ktrial}")
mkdir "$folder/bin" "$folder/results"
ln -s "$program" "$folder/bin/ktrial"
command_of() {
  "$venv/bin/python" - "$1" "$folder/results" <<'PYTHON'
import sys, yaml
name, results = sys.argv[1:]
for part in yaml.safe_load_all(open("deploy/kubernetes/job.yaml")):
    if part["kind"] == "Job" and part["metadata"]["name"] == name:
        print(part["spec"]["template"]["spec"]["containers"][0]["command"][2].replace("/results", results))
PYTHON
}
sweep=$(command_of ktrial-sweep)
merge=$(command_of ktrial-merge)
export PATH="$folder/bin:$PATH" SWEEP=all-brokers-down SEEDS=0..20 SHARDS=$shards
for index in $(seq 0 $((shards - 1))); do
  JOB_COMPLETION_INDEX=$index sh -c "$sweep" >/dev/null
done
sh -c "$merge" >"$folder/merge.txt"
ktrial sweep "$SWEEP" --seeds "$SEEDS" --out "$folder/whole" >/dev/null
cmp "$folder/results/all/results.jsonl" "$folder/whole/results.jsonl"
echo "its commands, run here: $shards shards and the merge, byte-identical with a sweep in one piece"
