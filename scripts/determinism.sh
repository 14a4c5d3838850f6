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

# All trials of one scenario by one build, in a folder of its own. The reports' paths stand in the
# output, so each build writes to the same relative one.
try_all() { # BUILD SCENARIO
  mkdir "$folder/$1"
  cd "$folder/$1"
  for seed in $(seq 1 "$seeds"); do
    code=0
    "$target/$1/ktrial" run "$2" --seed "$seed" --out "$2-$seed" >"$2-$seed.txt" || code=$?
    # A verdict other than expected is another check's business; no verdict at all is not.
    if [ "$code" -ge 3 ]; then
      echo "$2 --seed $seed: exit code $code in $1" >&2
      return 1
    fi
  done
}

trials=0
for scenario in $("$target/release/ktrial" list --names); do
  (try_all debug "$scenario") &
  (try_all release "$scenario")
  wait $!
  if ! diff -rq "$folder/debug" "$folder/release" >"$folder/differences"; then
    echo "debug and release differ:" >&2
    cat "$folder/differences" >&2
    exit 1
  fi
  trials=$((trials + $(find "$folder/debug" -name record.jsonl | wc -l)))
  # Scenario by scenario: all records together would take gigabytes of disk.
  rm -rf "$folder/debug" "$folder/release"
done
echo "$trials trials, byte-identical in debug and release"
