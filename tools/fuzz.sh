#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: fuzz.sh SECONDS
# Runs every fuzzer of build/fuzz that long, from the corpus in fuzz/corpus/NAME plus what earlier
# runs found (build/fuzz/corpus/NAME). A crash leaves its input in build/fuzz/crashes and fails.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
readonly seconds=${1:?usage: fuzz.sh SECONDS}
jobs=${JOBS:-$(nproc)}
readonly jobs
mkdir -p build/fuzz/crashes

# fuzz_one PROGRAM: its log and its verdict are build/fuzz/NAME.log.
fuzz_one() {
    local fuzzer=$1 name status=0
    local -a corpora
    name=$(basename "$fuzzer" _fuzz)
    corpora=("build/fuzz/corpus/$name")
    [[ ! -d fuzz/corpus/$name ]] || corpora+=("fuzz/corpus/$name")
    mkdir -p "${corpora[0]}"
    "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="build/fuzz/crashes/$name-" \
        "${corpora[@]}" >"build/fuzz/$name.log" 2>&1 || status=$?
    printf 'fuzz-status: %d\n' "$status" >>"build/fuzz/$name.log"
}

ran=0
failed=()
for fuzzer in build/fuzz/bin/*_fuzz; do
    [[ -x $fuzzer ]] || continue
    ((ran < jobs)) || wait -n
    fuzz_one "$fuzzer" &
    ran=$((ran + 1))
done
wait
for fuzzer in build/fuzz/bin/*_fuzz; do
    [[ -x $fuzzer ]] || continue
    name=$(basename "$fuzzer" _fuzz)
    printf -- '-- %s, %d s\n' "$name" "$seconds"
    grep -E 'stat::(number_of_exec|average_exec|peak)' "build/fuzz/$name.log" || true
    grep -qx 'fuzz-status: 0' "build/fuzz/$name.log" || failed+=("$name")
done
((ran > 0)) || {
    echo "fuzz: no fuzzer was built" >&2
    exit 1
}
for name in "${failed[@]}"; do
    printf -- '-- %s FAILED; the input is below as base64\n' "$name"
    grep -E 'a check failed|ERROR|SUMMARY| in repartir' "build/fuzz/$name.log" | cut -c -300 || true
    sed -n 's/.*Test unit written to //p' "build/fuzz/$name.log" | xargs -r -n 1 base64
done
printf 'fuzz: %d passed, %d failed%s\n' "$((ran - ${#failed[@]}))" "${#failed[@]}" \
    "${failed[*]:+: ${failed[*]}}"
((${#failed[@]} == 0))
