#!/bin/sh
# The GPU benchmark in one command, on a machine with a GPU and its driver:
#
#   plan/run.sh <folder for results> [--steps N] [--dry-run]
#
# In an archive of `tritc pack-runner` it uses the Node.js there; elsewhere the one on the PATH and the checkout in
# $TRITC (default: the current folder). Python with PyTorch measures the peers; without it there are no ratios.
set -eu
out=$1
shift
plan=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
if [ -x "$plan/../node" ]; then
  node=$plan/../node
  dist=$plan/../tritc/dist
else
  node=node
  dist=${TRITC:-.}/dist
fi
mkdir -p "$out"
peers=
if python3 -c 'import torch' 2>/dev/null; then
  python3 "$plan/peers.py" -o "$out/peers.json" "$@"
  peers="--peers $out/peers.json"
else
  echo "python3 has no PyTorch here: there will be no ratios" >&2
fi
# shellcheck disable=SC2086 # no peers, no argument
"$node" "$dist/benchmarks/gpu/run.js" "$plan" $peers -o "$out/result.json" "$@"
