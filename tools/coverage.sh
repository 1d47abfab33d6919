#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: coverage.sh [ctest arguments]
# Runs the tests of build/coverage and reports the lines of src/ and include/ that they ran. Fails
# below the gate. %c (with the preset's -runtime-counter-relocation) keeps counts in a mapped file,
# so that children that end by a signal or _exit count; %p gives each process its own.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
readonly build=build/coverage
readonly gate=${COVERAGE_GATE:-95}

tests_failed=no
rm -rf "$build/profiles"
mkdir -p "$build/profiles"
LLVM_PROFILE_FILE=$PWD/$build/profiles/%p-%m%c.profraw ctest --preset coverage \
    --parallel "${JOBS:-$(nproc)}" --label-exclude '(^|_)long$|^package$' --no-tests=error "$@" ||
    tests_failed=yes

find "$build/profiles" -name '*.profraw' >"$build/profiles.txt"
llvm-profdata-19 merge --sparse --failure-mode=all --input-files="$build/profiles.txt" \
    --output="$build/all.profdata"
# Left out besides tests: what runs between clone and exec, which must not be instrumented; and,
# where no cgroup can be made and its tests were skipped for that, what makes them.
left_out='_test\.cpp$|/proc/(raw|guardian_child)\.hpp$'
machine=$(LLVM_PROFILE_FILE=/dev/null "$build/bin/repartir" info --json)
if [[ $machine != *'"memory and process limits","available":true'* ]]; then
    left_out+='|/exec/cpu/cgroup\.cpp$'
    printf 'coverage: no cgroup can be made here: the tests of src/exec/cpu/cgroup.cpp were %s\n' \
        'skipped, and it is left out'
fi
objects=()
for program in "$build"/bin/*; do
    # No pipe into grep -q: it ends at the first match, and readelf then fails now and then.
    if [[ $(readelf --wide --sections "$program") == *__llvm_covmap* ]]; then
        objects+=(--object "$program")
    fi
done
report=(llvm-cov-19 report "${objects[@]:1}" --instr-profile="$build/all.profdata"
    --ignore-filename-regex="$left_out"
    --ignore-filename-regex='/(tests|examples|bench|fuzz|sim|build)/|^/usr/')
"${report[@]}" src include --show-region-summary=false --show-branch-summary=false |
    tee "$build/coverage.txt"
llvm-cov-19 show "${report[@]:2}" src include --format=html --output-dir="$build/html" >/dev/null
lines=$("${report[@]}" src --show-region-summary=false --show-branch-summary=false \
    --show-functions=false | awk '/^TOTAL/ {sub("%", "", $NF); print $NF}')
printf 'coverage: %s %% of the lines of src/, gate %s %%; lines in %s\n' \
    "$lines" "$gate" "$build/html/index.html"
awk -v lines="$lines" -v gate="$gate" 'BEGIN { exit !(lines >= gate) }'
[[ $tests_failed == no ]]
