#!/usr/bin/env bash
# A SLURM cluster of this machine alone, on loopback, for trying the launcher: it needs root, and Debian's packages
# slurm-wlm and munge.
#     tests/slurm.sh start DIR     starts munged, slurmctld and slurmd; their files are in DIR
#     export SLURM_CONF=DIR/slurm.conf     for sbatch, squeue and `sweep --launcher slurm`
#     tests/slurm.sh stop DIR      stops the three
set -euo pipefail
verb=$1 dir=$(realpath -m "$2")

if [ "$verb" = stop ]; then
    SLURM_CONF="$dir/slurm.conf" scancel --me || true
    for _ in $(seq 20); do
        if [ -z "$(SLURM_CONF="$dir/slurm.conf" squeue --noheader)" ]; then break; fi
        sleep 1
    done
    for daemon in slurmd slurmctld munged; do
        if [ -f "$dir/$daemon.pid" ]; then kill "$(cat "$dir/$daemon.pid")" || true; fi
    done
    exit
fi

mkdir -p "$dir"/{state,spool,log,munge}
dd if=/dev/urandom of="$dir/munge/key" bs=128 count=1 status=none
chmod 600 "$dir/munge/key"
chmod 711 "$dir" "$dir/munge"
cat > "$dir/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$(hostname)(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld
SlurmdLogFile=$dir/log/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobRequeue=1
ReturnToService=2
MpiDefault=none
KillWait=10
SlurmctldPort=16817
SlurmdPort=16818
NodeName=$(hostname) NodeAddr=127.0.0.1 CPUs=$(nproc --all) RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=$(hostname) Default=YES MaxTime=INFINITE State=UP
CONF
munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munged.pid" \
    --log-file="$dir/log/munged" --seed-file="$dir/munge/seed"
slurmctld -f "$dir/slurm.conf"
slurmd -f "$dir/slurm.conf"
for _ in $(seq 60); do
    if SLURM_CONF="$dir/slurm.conf" sinfo --noheader --format=%t | grep -q idle; then exit; fi
    sleep 1
done
tail -n 5 "$dir"/log/* >&2
exit 1
