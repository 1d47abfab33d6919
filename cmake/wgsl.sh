#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: wgsl.sh list|fetch|build CARGO CRATE WORK
#   list   print name, version and SHA-256 of each crate that CRATE's Cargo.toml leads to
#   fetch  see that these are the ones of CRATE/crates.txt, and download what is missing
#   build  make WORK/repartir_wgsl.o, without the network
# Builds src/exec/gpu/wgsl in the folder WORK. One object whose only global name is
# repartir_wgsl_compile, so that it meets no names of another library written in Rust.
# Exit code 3: the crates are not those of crates.txt.
set -euo pipefail
readonly verb=$1 cargo=$2 crate=$3 work=$4
mkdir -p "$work"
cd "$work"

crates() {
    awk -F'"' '/^name/ {name = $2} /^version/ {version = $2}
        /^checksum/ {print name, version, $2}' Cargo.lock | LC_ALL=C sort
}

same_crates() { [[ -s Cargo.lock ]] && crates | cmp -s - "$crate/crates.txt"; }

copy() {
    mkdir -p src
    cmp -s "$crate/src/lib.rs" src/lib.rs || cp "$crate/src/lib.rs" src/
    cmp -s "$crate/Cargo.toml" Cargo.toml || cp "$crate/Cargo.toml" .
}

build() {
    # Of this machine's folders nothing stays in the object.
    export RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo
        --remap-path-prefix=$work=/wgsl"
    export CARGO_TARGET_DIR=$work/target CARGO_INCREMENTAL=0
    "$cargo" build --quiet --release --locked --offline
    local -r function=repartir_wgsl_compile
    ld -r --gc-sections -u $function -e $function -o all.o target/release/librepartir_wgsl.a
    objcopy --keep-global-symbol=$function --strip-debug --discard-all \
        --remove-section=.llvmbc --remove-section=.llvmcmd --remove-section=.comment \
        all.o made.o
    mv made.o repartir_wgsl.o
    rm all.o
}

(
    flock 9 # presets share the folder
    copy
    case $verb in
    list)
        "$cargo" generate-lockfile --quiet
        crates
        ;;
    fetch)
        same_crates || "$cargo" generate-lockfile --quiet
        same_crates || exit 3
        "$cargo" fetch --quiet --locked --target "$(uname -m)-unknown-linux-gnu"
        ;;
    build) build ;;
    esac
) 9>lock
