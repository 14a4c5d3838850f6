#!/usr/bin/env bash
# Runs each library scenario under seeds 1..N in a debug and in a release process and compares what
# they print and every file of their reports byte by byte. Usage: scripts/determinism.sh [N]
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-20}
cargo build -q
cargo build -q --release
target=$(realpath "${CARGO_TARGET_DIR:-target}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# All trials of one build, in a folder of its own. The reports' paths stand in the output, so each
# build writes to the same relative one.
try_all() {
  mkdir "$folder/$1"
  cd "$folder/$1"
  for scenario in $("$target/$1/ktrial" list --names); do
    for seed in $(seq 1 "$seeds"); do
      code=0
      "$target/$1/ktrial" run "$scenario" --seed "$seed" --out "$scenario-$seed" >"$scenario-$seed.txt" || code=$?
      # A verdict other than expected is another check's business; no verdict at all is not.
      if [ "$code" -ge 3 ]; then
        echo "$scenario --seed $seed: exit code $code in $1" >&2
        return 1
      fi
    done
  done
}

(try_all debug) &
(try_all release)
wait $!
if ! diff -rq "$folder/debug" "$folder/release" >"$folder/differences"; then
  echo "debug and release differ:" >&2
  cat "$folder/differences" >&2
  exit 1
fi
echo "$(find "$folder/debug" -name record.jsonl | wc -l) trials, byte-identical in debug and release"
