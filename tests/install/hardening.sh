#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: hardening.sh PROGRAM
# The release program must be position independent, have its relocations read-only from the start,
# no executable stack, stack protectors, fortified libc calls and control-flow marks.
set -euo pipefail
readonly program=$1
missing=()

# has NAME TEXT PATTERN: the mitigation NAME shows as a line of TEXT.
has() {
    grep -qE "$3" <<<"$2" || missing+=("$1")
}

header=$(readelf --wide --file-header "$program")
segments=$(readelf --wide --program-headers "$program")
dynamic=$(readelf --wide --dynamic "$program")
symbols=$(readelf --wide --dyn-syms "$program")
has "position independence (PIE)" "$header" 'Type: +DYN'
has "read-only relocations (RELRO)" "$segments" 'GNU_RELRO'
has "immediate binding (BIND_NOW)" "$dynamic" 'FLAGS_1.*NOW'
has "no executable stack" "$segments" 'GNU_STACK .* RW '
has "stack protector" "$symbols" '__stack_chk_fail'
has "fortified calls (FORTIFY_SOURCE)" "$symbols" '__[a-z]+_chk@'
if [[ $header == *X86-64* ]]; then
    # The marks themselves: Debian's start-up objects have none, so the note never says so.
    landings=$(LC_ALL=C grep -oaP '\xf3\x0f\x1e\xfa' "$program" | wc -l)
    ((landings >= 100)) || missing+=("control-flow marks (endbr64)")
fi
((${#missing[@]} == 0)) || {
    printf 'hardening: %s lacks:\n' "$program" >&2
    printf '  %s\n' "${missing[@]}" >&2
    exit 1
}
