#!/usr/bin/env bash
# Runs each library scenario under seeds 1..N in a debug and in a release process and compares every
# file of the reports byte by byte. Usage: scripts/determinism.sh [N]
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-20}
cargo build -q
cargo build -q --release
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for scenario in $(target/release/ktrial list --names); do
  for seed in $(seq 1 "$seeds"); do
    for profile in debug release; do
      # A verdict other than expected is another check's business.
      "target/$profile/ktrial" run "$scenario" --seed "$seed" --out "$folder/$profile" >"$folder/$profile.txt" || true
    done
    diff -r "$folder/debug" "$folder/release" >/dev/null || {
      echo "$scenario --seed $seed differs between debug and release:" >&2
      diff -rq "$folder/debug" "$folder/release" >&2 || true
      exit 1
    }
    rm -rf "$folder/debug" "$folder/release"
  done
  echo "$scenario: $seeds seeds, byte-identical in debug and release"
done
