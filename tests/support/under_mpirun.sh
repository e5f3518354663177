#!/bin/sh
# usage: under_mpirun.sh MPIRUN RANKS PROGRAM [ARGUMENT...]
# Runs PROGRAM on RANKS ranks; a mere listing of its tests needs one process and no mpirun.
mpirun=$1
ranks=$2
shift 2
case " $* " in
  *" --gtest_list_tests "*) exec "$@" ;;
esac
root=
[ "$(id -u)" = 0 ] && root=--allow-run-as-root
# Open MPI keeps some of its memory to the end of the process.
ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}"
export ASAN_OPTIONS
exec "$mpirun" $root --bind-to none --oversubscribe -np "$ranks" "$@" </dev/null
