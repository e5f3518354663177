#!/usr/bin/env bash
# usage: check_headers.sh [BUILD]
# Every public header must compile alone and include nothing but the standard library and lockstep.
# BUILD (build/release) holds the generated headers.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
compiler=${CXX:-g++}

check() {
  local header=$1 name=${1#include/} bad
  bad=$(grep -nE '^ *# *include' "$header" | grep -vE '<[a-z_0-9]+>|"lockstep/') &&
    echo "$header: includes something other than <standard> or \"lockstep/...\": $bad" && return 1
  echo "#include \"$name\"" | "$compiler" -std=c++20 -Wall -Wextra -fopenmp -fsyntax-only \
    -Iinclude -I"$build/generated" -x c++ - ||
    { echo "$header: does not compile alone"; return 1; }
}
export -f check
export build compiler

find include -name '*.h' -print0 | sort -z |
  xargs -0 -P "$(nproc)" -I{} bash -c 'check {}' ||
  { echo "check_headers: failed" >&2; exit 1; }
echo "check_headers: every public header stands alone"
