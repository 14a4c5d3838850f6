#!/usr/bin/env bash
# Both cells of the main job on a real release of Apache Kafka, as expected; or a line why not.
# Usage: scripts/real.sh [RELEASE]
set -euo pipefail
cd "$(dirname "$0")/.."
release=${1:-4.3.1}

skip() {
  echo "the real Kafka $release: skipped, for $1"
  exit 0
}

for tool in cc c++ make java mvn; do
  command -v "$tool" >/dev/null || skip "this machine has no $tool"
done
cargo build --release -p ktrial-real
real=$(realpath "${CARGO_TARGET_DIR:-target}")/release/ktrial-real
"$real" get "$release" || skip "its jars cannot be had here"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$real" run all-brokers-down --kafka "$release" --out "$out"
