#!/bin/sh
# The GPU benchmark in one command, on a machine with a GPU, its driver and Python with PyTorch:
#
#   run.sh <plan> <folder for results> [--steps N]
#
# Needs the plan of `plan.js`. From an archive of `tritc pack-runner` it uses that Node.js, else the one on the PATH.
set -eu
plan=$1
out=$2
shift 2
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
dist=$(CDPATH= cd -- "$here/../../dist" 2>/dev/null && pwd || echo "$here/../..")
node=$dist/../../node
[ -x "$node" ] || node=node
mkdir -p "$out"
python3 "$here/peers.py" -o "$out/peers.json" "$@"
"$node" "$dist/benchmarks/gpu/run.js" "$plan" --peers "$out/peers.json" -o "$out/result.json" "$@"
