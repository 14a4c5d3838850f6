#!/usr/bin/env bash
# Random trials must not depend on how they are run: each plan in two processes, one job or two, one run or
# four merged shards, a run that was killed and resumed. Compares all of it byte by byte.
# Usage: scripts/sweeps.sh [SEEDS]
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-1000}
cargo build -q --release
ktrial=$(realpath "${CARGO_TARGET_DIR:-target}")/release/ktrial
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

same() {
  cmp one/results.jsonl "$1/results.jsonl"
  echo "$seeds seeds, byte-identical: $2"
}

"$ktrial" determinism fuzz --seeds "0..$seeds"
"$ktrial" fuzz --seeds "0..$seeds" --jobs 1 --out one >one.txt
"$ktrial" fuzz --seeds "0..$seeds" --jobs 2 --out two >two.txt
same two "--jobs 1 and --jobs 2"
tail -n 2 one.txt | head -n 1
tail -n 2 two.txt | head -n 1

for shard in 1 2 3 4; do
  "$ktrial" fuzz --seeds "0..$seeds" --shard "$shard/4" --out "shard-$shard" >/dev/null || [ $? = 2 ]
done
"$ktrial" merge shard-* --out merged >/dev/null
same merged "one run and four merged shards"

# kill -9 when some seeds are in the journal, not after some time: machines differ.
"$ktrial" fuzz --seeds "0..$seeds" --out killed >/dev/null &
pid=$!
while kill -0 $pid 2>/dev/null; do
  lines=$(grep -c . killed/results.partial.jsonl 2>/dev/null || true)
  [ "${lines:-0}" -ge $((seeds / 4)) ] && break
done
kill -9 $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
echo "killed after $(grep -c . killed/results.partial.jsonl || true) of $seeds seeds"
"$ktrial" fuzz --seeds "0..$seeds" --out killed --resume >/dev/null
same killed "one run and one that was killed and resumed"
