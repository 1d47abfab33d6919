#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: lint.sh [--clang-tidy [--all]]
# Every check that reads the sources without running them; goes on past a failure and then fails.
# With --clang-tidy also that, on what changed since it last passed (or since a file that it
# includes did); --all reads everything. It belongs to tier 3: a file takes 5 to 20 s. Needs
# build/tidy configured.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
readonly passed=build/tidy/clang-tidy-passed
jobs=${JOBS:-$(nproc)}
readonly jobs
failed=()

check() {
    local name=$1 began=$SECONDS
    shift
    if "$@"; then
        printf 'lint: %-12s ok, %d s\n' "$name" "$((SECONDS - began))"
    else
        printf 'lint: %-12s FAILED, %d s\n' "$name" "$((SECONDS - began))"
        failed+=("$name")
    fi
}

scripts() {
    local script
    local -a found=(dev .ci/run)
    while IFS= read -r -d '' script; do
        found+=("$script")
    done < <(find tools tests examples bench cmake -name '*.sh' -print0)
    shellcheck "${found[@]}"
}

spelling() {
    local -a words=()
    read -r -a words <<<"$(grep -v '^#' tools/spelling_allow.txt | tr '\n' ' ')"
    local IFS=,
    codespell --quiet-level 2 --skip './build*,./.git*' --ignore-words-list "${words[*]}" .
}

format() { tools/sources.sh | xargs -0 -r clang-format-19 --dry-run -Werror; }

# Each header compiles alone, twice in one unit, with both compilers.
header_alone() {
    local header=$1 compiler
    for compiler in g++ clang++-19; do
        printf '#include "%s"\n#include "%s"\n' "$PWD/$header" "$PWD/$header" |
            "$compiler" -std=c++23 -fsyntax-only -Wall -Wextra -Werror -Iinclude -Isrc -x c++ - ||
            return 1
    done
}
export -f header_alone

headers() {
    # The inner shell expands $1.
    # shellcheck disable=SC2016
    find include src -name '*.hpp' -print0 |
        xargs -0 -r -n 1 -P "$jobs" bash -c 'header_alone "$1" || exit 255' header_alone
}

# One file through clang-tidy; a pass is remembered by the hash of the file's preprocessed text
# with its comments, as they may hold a NOLINT.
tidy_one() {
    local file=$1 text key output found status=0
    text=$(clang++-19 -std=c++23 -E -C -P -I. -Iinclude -Isrc -Ibuild/tidy/bench/codec \
        -Ibuild/tidy/bench/remote_call "$file") || return 1
    key=$(sha256sum .clang-tidy - <<<"$text" | sha256sum | cut -d' ' -f1)
    [[ ! -e $TIDY_PASSED/$key ]] || return 0
    output=$(clang-tidy-19 --quiet -p build/tidy "$file" 2>&1) || status=$?
    found=$(grep -A 3 -E ' error: | is not used directly' <<<"$output" |
        grep -v 'no header providing')
    if [[ -n $found || $status != 0 ]]; then
        printf '%s\n' "${found:-$output}"
        return 1
    fi
    : >"$TIDY_PASSED/$key"
}
export -f tidy_one

# What build/tidy compiles (not the peers that this machine lacks), but for the tests.
clang_tidy() {
    mkdir -p "$passed"
    # shellcheck disable=SC2016
    sed -n 's/^ *"file": "\(.*\)",\?$/\1/p' build/tidy/compile_commands.json |
        grep -E "^$PWD/(src|examples|bench)/" | grep -v '_test\.cpp$' | sort -u | tr '\n' '\0' |
        TIDY_PASSED=$passed xargs -0 -r -n 1 -P "$jobs" bash -c 'tidy_one "$1"' tidy_one
}

[[ ${2:-} != --all ]] || rm -rf "$passed"
check rules tools/tidy.py
check scripts scripts
check spelling spelling
check format format
check headers headers
[[ ${1:-} != --clang-tidy ]] || check clang-tidy clang_tidy
((${#failed[@]} == 0)) || {
    printf 'lint: failed: %s\n' "${failed[*]}"
    exit 1
}
