#!/usr/bin/env bash
# Really runs deploy/slurm on a Slurm of one node: four shards as a job array, the merge behind them, and
# compares the result with a sweep in one piece, byte by byte. For Debian, as root: installs slurm-wlm and
# munge if they are missing (and removes them again), listens on the loopback only, leaves nothing behind.
# Usage: scripts/slurm.sh [SEEDS]   (the program: KTRIAL, default target/release/ktrial)
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-0..40}
target=$(realpath "${CARGO_TARGET_DIR:-target}")
KTRIAL=$(realpath "${KTRIAL:-$target/release/ktrial}")
export KTRIAL
folder=$(mktemp -d /tmp/ktrial-slurm.XXXXXX)
export SLURM_CONF=$folder/slurm.conf
started=()
installed=()

clean() {
  code=$?
  if [ "$code" -ne 0 ]; then
    tail -n 15 "$folder"/*.log "$folder"/out/log/* 2>/dev/null || true
  fi
  # The last started first; only what was started here.
  for ((at = ${#started[@]} - 1; at >= 0; at--)); do
    kill "${started[$at]}" 2>/dev/null || true
    wait "${started[$at]}" 2>/dev/null || true
  done
  rm -rf "$folder"
  if [ ${#installed[@]} -gt 0 ]; then
    apt-get -qq purge -y "${installed[@]}" >/dev/null 2>&1 || true
    echo "removed: ${installed[*]}"
  fi
  exit "$code"
}
trap clean EXIT

if ! (command -v slurmctld && command -v slurmd && command -v sbatch && command -v munged) >/dev/null; then
  # Only what is new: an upgrade shows the old version in brackets, and must not be removed afterwards.
  mapfile -t installed < <(apt-get -s install --no-install-recommends slurm-wlm munge |
    awk '/^Inst/ && $3 !~ /^\[/ {print $2}')
  echo "installing: ${installed[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends slurm-wlm munge >"$folder/apt.log" 2>&1
fi

# A munge of our own, beside any other: its own key and socket.
install -d -o munge -g munge -m 0755 "$folder/munge"
chmod 0755 "$folder"
dd if=/dev/urandom of="$folder/munge/key" bs=128 count=1 status=none
chown munge:munge "$folder/munge/key"
chmod 0400 "$folder/munge/key"
# The shell makes its process the daemon's, so that $! is the one to end.
setpriv --reuid=munge --regid=munge --clear-groups munged --foreground --force \
  --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
  --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" >"$folder/munged.log" 2>&1 &
started+=($!)

node=$(hostname -s)
cat >"$SLURM_CONF" <<CONF
ClusterName=ktrial
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
CONF
mkdir "$folder/state" "$folder/spool"
for _ in $(seq 50); do [ -S "$folder/munge/socket" ] && break || sleep 0.1; done
slurmctld -D -c >"$folder/slurmctld.out" 2>&1 &
started+=($!)
slurmd -D >"$folder/slurmd.out" 2>&1 &
started+=($!)
for _ in $(seq 100); do sinfo -h -o %t 2>/dev/null | grep -q idle && break || sleep 0.2; done
echo "== Slurm $(sinfo --version | cut -d' ' -f2), node $(sinfo -h -o '%n %t, %c CPUs')"

deploy/slurm/submit.sh 4 all-brokers-down "$seeds" "$folder/out"
squeue -o '%.10i %.16j %.4t %E'
for _ in $(seq 600); do [ -z "$(squeue -h)" ] && break || sleep 0.5; done
scontrol -o show job | grep -o '^JobId=[0-9]*\|ArrayTaskId=[^ ]*\|JobName=[^ ]*\|JobState=[^ ]*\|ExitCode=[^ ]*' | paste -sd' ' | sed 's/ JobId/\nJobId/g'
echo "== the merge said"
cat "$folder/out/log/merge.txt"

"$KTRIAL" sweep all-brokers-down --seeds "$seeds" --out "$folder/whole" >/dev/null
cmp "$folder/out/all/results.jsonl" "$folder/whole/results.jsonl"
echo "== $(wc -l <"$folder/whole/results.jsonl") results of 4 shards, byte-identical with a sweep in one piece"
