#!/usr/bin/env bash
# The scenarios of Kafka's RaftEventSimulationTest, as ours (docs/quorum.md), and the one about snapshots: every
# cell of each under seeds 0..N. Fails if one trial does not end as its file expects.
# Usage: scripts/quorum.sh [SEEDS]
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-1000}
cargo build -q --release
ktrial=$(realpath "${CARGO_TARGET_DIR:-target}")/release/ktrial
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for name in raft-first-leader raft-leader-stops raft-all-killed raft-leader-cut-off raft-majority-reachable \
  raft-ring-at-start raft-ring-around-leader raft-leaders-cut-off-in-turn raft-voter-loses-disk snapshot-for-laggard; do
  "$ktrial" sweep "$name" --seeds "0..$seeds" --out "$folder/$name"
done
