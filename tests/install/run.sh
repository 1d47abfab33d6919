#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: run.sh CMAKE BUILD_FOLDER COMPILER
# Installs the build, moves it (an installed package must not depend on where it was first), and
# builds and runs the consumer against it twice. Leaves nothing behind.
set -euo pipefail
readonly cmake=$1 build=$2 compiler=$3
consumer=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/consumer
readonly consumer
work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT

fail() {
    printf 'install test: %s\n' "$*" >&2
    exit 1
}

expect_output() {
    local output
    output=$("$1") || fail "$1 failed"
    [[ $output == $'hello\n42' ]] || fail "$1 printed: $output"
}

"$cmake" --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/prefix"
prefix=$work/prefix

for file in bin/repartir include/repartir/repartir.hpp lib/librepartir_base.a \
    lib/pkgconfig/repartir.pc lib/cmake/repartir/repartirConfig.cmake share/man/man1/repartir.1 \
    share/bash-completion/completions/repartir share/zsh/site-functions/_repartir \
    share/repartir/repartir-worker.service; do
    [[ -s $prefix/$file ]] || fail "$file is missing or empty"
done
for page in $("$prefix/bin/repartir" man | sed 's|\\||g' | grep -o 'docs/[a-z-]*\.md') \
    $(grep -o 'docs/[a-z-]*\.md' "$prefix/share/repartir/repartir-worker.service"); do
    [[ -s $prefix/share/doc/repartir/$page ]] || fail "$page, which --help names, is missing"
done
! grep -rIl -e "$build" -e "$work/first" "$prefix" || fail "the files above name the build folder"
"$prefix/bin/repartir" --version | grep -q '^repartir [0-9]' || fail "--version is odd"
bash -n "$prefix/share/bash-completion/completions/repartir" || fail "completion does not parse"

"$cmake" -S "$consumer" -B "$work/by_cmake" -G Ninja -D CMAKE_CXX_COMPILER="$compiler" \
    -D CMAKE_PREFIX_PATH="$prefix" >"$work/configure.log" || fail "$(cat "$work/configure.log")"
"$cmake" --build "$work/by_cmake" >"$work/build.log" || fail "$(cat "$work/build.log")"
expect_output "$work/by_cmake/consumer"

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
for mode in "" --static; do
    # Word splitting is meant: pkg-config prints words.
    # shellcheck disable=SC2046,SC2086
    "$compiler" "$consumer/main.cpp" -o "$work/by_pkg_config" \
        $(pkg-config $mode --cflags --libs repartir) ||
        fail "pkg-config $mode does not link"
    expect_output "$work/by_pkg_config"
done
