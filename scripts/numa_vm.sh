#!/bin/bash
# Boots guests with several NUMA nodes under QEMU and runs our tests in them.
#     scripts/numa_vm.sh             the guests with four nodes and with mixed nodes
#     scripts/numa_vm.sh four [N]    one guest, N times
#     scripts/numa_vm.sh mixed [N]
#     scripts/numa_vm.sh large       96 CPUs on 16 nodes: minutes
# Installs QEMU, busybox and cpio with apt where they are missing, and fetches a kernel, which is unpacked and not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
work=$target/numa-vm
mkdir -p "$work"

say() { printf 'numa-vm: %s\n' "$*"; }
fail() {
    printf 'numa-vm: %s\n' "$*" >&2
    exit 1
}

[ "$(uname -m)" = x86_64 ] || fail 'the guests are x86-64, and so must this machine be'
missing=
command -v qemu-system-x86_64 >/dev/null || missing="$missing qemu-system-x86"
command -v busybox >/dev/null || missing="$missing busybox-static"
command -v cpio >/dev/null || missing="$missing cpio"
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086  # the list is meant to be split
    scripts/apt.sh numa-vm $missing
fi

# The kernel that Debian's cloud images run: no modules are needed for what we do.
if [ ! -s "$work/vmlinuz" ]; then
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
    [ -n "$package" ] || fail 'apt knows no linux-image-cloud-amd64; run apt-get update'
    say "fetching $package"
    (cd "$work" && apt-get download "$package" >apt.log 2>&1) || { tail "$work/apt.log" >&2; fail "no $package"; }
    rm -rf "$work/kernel"
    dpkg -x "$work/$package"_*.deb "$work/kernel"
    cp "$work"/kernel/boot/vmlinuz-* "$work/vmlinuz"
    rm -rf "$work/kernel" "$work/$package"_*.deb
fi

# The tests, with the libraries that they are linked with.
root=$work/root
program() { # program NAME: builds a test and prints where it is
    cargo test --locked --quiet --test "$1" --no-run --message-format json |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
}
say 'building the tests'
rm -rf "$root"
mkdir -p "$root"/{bin,proc,sys,dev,tmp}
for name in guest numa; do
    built=$(program "$name")
    [ -x "$built" ] || fail "the test $name was not built"
    cp "$built" "$root/$name"
    strip --strip-debug "$root/$name"
    ldd "$built" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
done
cp "$(command -v busybox)" "$root/bin/busybox"
cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox mkdir -p /sys /proc /dev /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t cgroup2 cgroup /sys/fs/cgroup
for word in $(/bin/busybox cat /proc/cmdline); do
    case $word in guest=*) guest=${word#guest=} ;; esac
done
status=0
export RUST_BACKTRACE=0
# One after the other, each in a process of its own: some of them change the machine or give up rights.
for test in $(/guest --list --ignored | /bin/busybox sed -n 's/: test$//p'); do
    case $test in
        "$guest"_* | any_*) /guest --exact --ignored --nocapture "$test" || status=1 ;;
    esac
done
[ "$guest" = large ] || /numa --test-threads 1 || status=1
echo "NUMA-VM STATUS $status"
echo o >/proc/sysrq-trigger
/bin/busybox sleep 60
END
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd.gz"

boot() { # boot GUEST SECONDS QEMU-OPTION...
    local guest=$1 limit=$2 log=$work/$1.log began
    shift 2
    began=$(date +%s)
    timeout "$limit" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max,vendor=GenuineIntel -nographic -no-reboot \
        -nodefaults -serial stdio -kernel "$work/vmlinuz" -initrd "$work/initrd.gz" \
        -append "console=ttyS0 quiet panic=-1 numa_balancing=disable guest=$guest" "$@" </dev/null >"$log" 2>&1 || true
    if ! grep -q '^NUMA-VM STATUS 0' "$log"; then
        tail -n 60 "$log" >&2
        fail "the guest $guest failed after $(($(date +%s) - began)) s; its log is $log"
    fi
    say "$guest: $(grep -c '^test .*\.\.\. .*ok' "$log") tests passed, $(($(date +%s) - began)) s"
}

memory() { # memory NODE SIZE: memory of a node, as options
    printf -- '-object memory-backend-ram,id=m%s,size=%s' "$1" "$2"
}
four() {
    local from to distances=()
    # Asymmetric on purpose.
    for from in 0 1 2 3; do
        for to in 0 1 2 3; do
            if [ "$from" -lt "$to" ]; then
                distances+=(-numa "dist,src=$from,dst=$to,val=$((11 + 10 * (to - from)))")
            elif [ "$from" -gt "$to" ]; then
                distances+=(-numa "dist,src=$from,dst=$to,val=$((12 + 10 * (from - to)))")
            fi
        done
    done
    # shellcheck disable=SC2046  # options are meant to be split
    boot four 300 -m 1280 -smp 8,sockets=4,cores=2,threads=1 \
        $(for node in 0 1 2 3; do memory $node 320M; printf ' -numa node,nodeid=%s,cpus=%s-%s,memdev=m%s ' $node $((2 * node)) $((2 * node + 1)) $node; done) \
        "${distances[@]}"
}
mixed() {
    # Node 0 with both, node 1 with CPUs only and node 3 as its nearest memory, nodes 2 and 3 with memory only.
    # shellcheck disable=SC2046
    boot mixed 300 -m 1024 -smp 4,sockets=2,cores=2,threads=1 \
        $(memory 0 512M) $(memory 2 256M) $(memory 3 256M) \
        -numa node,nodeid=0,cpus=0-1,memdev=m0 -numa node,nodeid=1,cpus=2-3 \
        -numa node,nodeid=2,memdev=m2 -numa node,nodeid=3,memdev=m3 \
        -numa dist,src=0,dst=1,val=20 -numa dist,src=0,dst=2,val=30 -numa dist,src=0,dst=3,val=40 \
        -numa dist,src=1,dst=2,val=40 -numa dist,src=1,dst=3,val=15 -numa dist,src=2,dst=3,val=25
}
large() {
    # shellcheck disable=SC2046
    boot large 900 -m 4096 -smp 96,sockets=16,cores=3,threads=2 \
        $(for node in $(seq 0 15); do memory "$node" 256M; printf ' -numa node,nodeid=%s,cpus=%s-%s,memdev=m%s ' "$node" $((6 * node)) $((6 * node + 5)) "$node"; done)
}

case ${1:-both} in
    both)
        four
        mixed
        ;;
    four | mixed | large)
        for round in $(seq 1 "${2:-1}"); do
            [ "${2:-1}" = 1 ] || say "boot $round of $2"
            $1
        done
        ;;
    *)
        sed -n '2,7s/^# //p' "$0" >&2
        exit 2
        ;;
esac
