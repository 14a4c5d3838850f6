#!/usr/bin/env bash
# Runs each library scenario under seeds 1..N: every cell must be as expected, with the same verdict
# and final logs under every seed. Usage: scripts/seeds.sh [N]
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-200}
cargo build -q --release
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for scenario in $(target/release/ktrial list --names); do
  first=
  for seed in $(seq 1 "$seeds"); do
    target/release/ktrial run "$scenario" --seed "$seed" --json --out "$folder/out" >"$folder/run.json" || {
      echo "$scenario --seed $seed is not as expected" >&2
      exit 1
    }
    outcome=$(python3 - "$folder/run.json" <<'PY'
import json, sys
run = json.load(open(sys.argv[1]))
print([(c["settings"], c["verdict"], c["logs"], [l["value"] for l in c["lost"]]) for c in run["cells"]])
PY
)
    : "${first:=$outcome}"
    [ "$outcome" = "$first" ] || {
      echo "$scenario --seed $seed ends otherwise than seed 1:" >&2
      printf '%s\n%s\n' "$first" "$outcome" >&2
      exit 1
    }
  done
  echo "$scenario: $seeds seeds, same verdicts and final logs"
done
