#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Boots a small virtual machine (qemu without KVM, Debian's cloud kernel) whose only cgroup tree is
# version 2, and checks there what machines with version 1 cannot: limits, deaths by memory, peaks,
# and that nothing survives us. Needs the release build; ./dev vm makes it.
# usage: tools/cgroup_v2_vm.sh [folder to keep the kernel in]
set -euo pipefail
cd "$(dirname "$0")/.."
readonly cache=${1:-build/vm} bin=build/release/bin
readonly patience_s=90
mkdir -p "$cache"

fetch_kernel() {
    compgen -G "$cache/kernel/boot/vmlinuz-*" >/dev/null && return
    local package
    package=$(apt-cache depends linux-image-cloud-amd64 |
        awk '/Depends: linux-image/ {print $2; exit}')
    [[ -n $package ]] || {
        echo "cgroup_v2_vm: apt knows no linux-image-cloud-amd64; run apt-get update" >&2
        exit 1
    }
    (cd "$cache" && apt-get download -q "$package")
    dpkg -x "$cache/$package"_*.deb "$cache/kernel"
}

# What the machine runs. The last line that it prints is the verdict.
write_init() {
    cat >"$1/init" <<'INIT'
#!/bin/sh
export PATH=/bin HOME=/ TMPDIR=/tmp
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
mount -t cgroup2 none /sys/fs/cgroup
failed=0
check() {
    name=$1
    shift
    if "$@" >/tmp/log 2>&1; then
        echo "ok      $name"
    else
        echo "FAILED  $name"
        cat /tmp/log
        failed=1
    fi
}
left() { ls -d /sys/fs/cgroup/repartir-* 2>/dev/null; }
none_left() {
    i=0
    while [ -n "$(left)" ] && [ $i -lt 100 ]; do
        i=$((i + 1))
        sleep 0.1
    done
    [ -z "$(left)" ]
}
supported() { repartir info --json | grep -q '"memory and process limits","available":true'; }
memory() {
    repartir run --limit-memory 32M -- dd if=/dev/zero of=/dev/null bs=200M count=1
    [ $? = 137 ] || return 1
    repartir run --json --limit-memory 32M sh -c 'dd if=/dev/zero of=/dev/null bs=200M count=1' \
        ::: a >/tmp/x
    grep -q '"ending":"out_of_memory"' /tmp/x && grep -q '"peak_memory_source":"cgroup"' /tmp/x &&
        grep -q '"containment":"cgroup"' /tmp/x
}
peak() {
    repartir run --json --limit-memory 64M -- sh -c 'dd if=/dev/zero of=/dev/null bs=20M count=1' \
        ::: a >/tmp/x
    cat /tmp/x
    peak=$(sed 's/.*"peak_memory_bytes":\([0-9]*\).*/\1/' /tmp/x)
    [ "$peak" -gt 0 ] && [ "$peak" -le 67108864 ]
}
killed() {
    repartir run --limit-processes 20 -- sh -c \
        'setsid sh -c "echo \$\$ > /tmp/escaped; exec sleep 600" & wait; sleep 600' sh ::: a &
    ours=$!
    while [ ! -s /tmp/escaped ]; do sleep 0.1; done
    [ -n "$(left)" ] || return 1
    kill -9 $ours
    none_left || return 1
    ! kill -0 "$(cat /tmp/escaped)" 2>/dev/null
}
nested() {
    cat >/tmp/nest <<'NEST'
#!/bin/sh
group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir -p "$group/a/b" "$group/a/c"
setsid sh -c 'echo 0 >"$1/a/b/cgroup.procs"; echo $$ >/tmp/nested; exec sleep 600' sh "$group" \
    >/dev/null 2>&1 &
while [ ! -s /tmp/nested ]; do sleep 0.1; done
exec "$@"
NEST
    chmod +x /tmp/nest
    repartir run --limit-processes 20 /tmp/nest true ::: a || return 1
    [ -z "$(left)" ] || return 1
    ! kill -0 "$(cat /tmp/nested)" 2>/dev/null || return 1
    rm /tmp/nested
    repartir run --limit-processes 20 /tmp/nest sleep ::: 600 &
    ours=$!
    while [ ! -s /tmp/nested ]; do sleep 0.1; done
    kill -9 $ours
    none_left || return 1
    ! kill -0 "$(cat /tmp/nested)" 2>/dev/null
}
tests() {
    exec_cpu_test --gtest_filter='*Cgroup*' >/tmp/tests 2>&1 || { cat /tmp/tests; return 1; }
    tail -n 1 /tmp/tests
    ! grep SKIPPED /tmp/tests
}
check "limits can be enforced" supported
check "out of memory is told, with the peak of the cgroup" memory
check "the peak is from memory.peak" peak
check "kill -9 of us leaves nothing, not even after setsid" killed
check "groups that a task made inside its own end with it" nested
check "no group is left" none_left
check "the tests of cgroups, none skipped" tests
uname -r
[ $failed = 0 ] && echo "VERDICT good" || echo "VERDICT bad"
poweroff -f
INIT
    chmod +x "$1/init"
}

make_initrd() {
    local root=$1 program library
    mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc}
    cp /bin/busybox "$root/bin/busybox"
    ln -s busybox "$root/bin/sh"
    for program in repartir exec_cpu_test; do
        cp "$bin/$program" "$root/bin/"
        while read -r library; do
            mkdir -p "$root$(dirname "$library")"
            cp -L "$library" "$root$library"
        done < <(ldd "$bin/$program" | grep -o '/[^ ]*')
    done
    write_init "$root"
    (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$cache/initrd"
}

fetch_kernel
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
make_initrd "$folder"
timeout "$patience_s" qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 1024 \
    -nographic -no-reboot -nic none -kernel "$cache"/kernel/boot/vmlinuz-* -initrd "$cache/initrd" \
    -append "console=ttyS0 quiet loglevel=1 panic=-1 cgroup_no_v1=all" \
    </dev/null >"$cache/log" 2>&1 || true
tr -d '\r' <"$cache/log" | grep -aE '(ok  |FAILED|VERDICT|^[0-9]+\.[0-9])' -A40 ||
    tail -20 "$cache/log"
grep -aq 'VERDICT good' "$cache/log"
