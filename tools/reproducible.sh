#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the release program in two folders of different names, without the compiler cache, and
# compares the two programs byte by byte.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT
for name in one another/place; do
    mkdir -p "$work/$name"
    cp -r CMakeLists.txt CMakePresets.json LICENSE README.md cmake include src "$work/$name"
    (
        cd "$work/$name"
        cmake --preset release -D REPARTIR_TESTS=OFF -D REPARTIR_CCACHE=OFF >/dev/null
        cmake --build --preset release --parallel "${JOBS:-$(nproc)}" --target repartir_program
    )
done
sha256sum "$work"/{one,another/place}/build/release/bin/repartir
cmp "$work"/{one,another/place}/build/release/bin/repartir
echo "reproducible: both programs are the same, byte by byte"
