#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: sources.sh [FOLDER...]
# Prints the C++ files of the tree (or of the named folders), each ended by NUL.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
folders=("$@")
((${#folders[@]} > 0)) || folders=(include src bench examples fuzz tests)
for folder in "${folders[@]}"; do
    [[ ! -d $folder ]] || find "$folder" \( -name '*.cpp' -o -name '*.hpp' \) -print0
done | sort -z
