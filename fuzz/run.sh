#!/bin/sh
# fuzz/run.sh [TARGET [SECONDS]]: one process, bounded in time and memory.
set -eu
cd "$(dirname "$0")/.."
targets=${1:-yaml_reader yaml_emitter kustomize_build patches dockerfile tiltfile protobuf selectors grants spdy server_side_apply crd_schema}
seconds=${2:-60}
conformance=${CONFORMANCE:-../shared/conformance}/kustomize/cases
for target in $targets; do
    corpus=fuzz/corpus/$target
    mkdir -p "$corpus"
    seeds=fuzz/seeds/$target
    case $target in
    yaml_reader) [ ! -d "$conformance" ] || seeds="$seeds $conformance" ;;
    tiltfile) [ ! -d "$conformance/../../tiltfile/cases" ] || seeds="$seeds $conformance/../../tiltfile/cases" ;;
    esac
    # shellcheck disable=SC2086 # several folders
    nice -n 19 cargo +nightly fuzz run --fuzz-dir fuzz "$target" "$corpus" $seeds -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384
done
