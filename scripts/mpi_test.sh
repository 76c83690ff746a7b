#!/bin/sh
# Builds examples-c/mpi_summa.c with Open MPI, and runs it on 1, 2, 3 and 4 ranks of this machine: right, and the same bits on all.
# Installs Open MPI with apt where it is missing.
#     scripts/mpi_test.sh PROGRAM     PROGRAM is what make builds with mpicc
set -eu
cd "$(dirname "$0")/.."
program=$1
if ! command -v mpicc >/dev/null || ! command -v mpirun >/dev/null; then
    scripts/apt.sh mpi openmpi-bin libopenmpi-dev
fi
make --no-print-directory "$program"

# As root, with more ranks than CPUs, and without a way to other machines: what a container is.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_plm=isolated OMPI_MCA_btl=self,vader OMPI_MCA_btl_vader_single_copy_mechanism=none
failures=0

same() { # same ARGUMENT...: the same right result on any number of ranks
    first=
    for ranks in 1 2 3 4; do
        said=$(mpirun -n $ranks --bind-to none "$program" "$@" 2>&1) || { echo "$said" >&2; failures=$((failures + 1)); continue; }
        echo "$said" | sed -n "1s/^/$ranks ranks: /p;2p"
        result=$(echo "$said" | sed -n 's/^result \([0-9a-f]*\), .* right$/\1/p')
        if [ -z "$result" ] || [ "$result" != "${first:-$result}" ]; then
            echo "mpi_summa $* on $ranks ranks: result '$result', not '${first:-a right one}'" >&2
            failures=$((failures + 1))
        fi
        first=${first:-$result}
    done
}
right() { # right RANKS BINDING ARGUMENT...
    ranks=$1
    binding=$2
    shift 2
    if ! mpirun -n "$ranks" --bind-to "$binding" "$program" "$@" | grep -q ' right$'; then
        echo "mpi_summa $* on $ranks ranks, bound to $binding: not right" >&2
        failures=$((failures + 1))
    fi
}
refuses() { # refuses TEXT ARGUMENT...: exit code 2, and one sentence with TEXT
    text=$1
    shift
    status=0
    said=$(mpirun -n 2 --bind-to none "$program" "$@" 2>&1) || status=$?
    if [ "$status" -ne 2 ] || [ "$(echo "$said" | grep -c -- "$text")" -ne 1 ]; then
        echo "mpi_summa $*: ends with $status and says: $said" >&2
        failures=$((failures + 1))
    fi
}

same 600
same --float 600 --panel 64
same --m 301 --n 97 --k 530 --panel 50
right 4 none --m 3 --n 2 --k 900 # ranks without a part of B or C
right 2 core 300                 # on CPUs that mpirun chose
refuses 'not .x' x
refuses 'not .0' --panel 0
refuses 'not .nothing' --m
refuses 'unknown option' --fast

[ "$failures" -eq 0 ] || exit 1
echo 'mpi_summa: right on 1 to 4 ranks, with the same bits'
