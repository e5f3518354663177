#!/usr/bin/env bash
# usage: scripts/check.sh [--base REV]
# Checks the conventions: formatting, layers, headers, products, and clang-tidy on what changed since
# REV (on the whole tree without it). Installs and builds what it lacks. Exit 1: something is to mend.
set -euo pipefail
cd "$(dirname "$0")/.."

base=()
case ${1:-} in
  "") ;;
  --base)
    (($# == 2)) || { echo "check.sh: --base needs a revision" >&2; exit 2; }
    base=("$2")
    ;;
  -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
  *) echo "check.sh: unknown argument '$1'; known: --base REV" >&2; exit 2 ;;
esac

build=build/release
cores=$(nproc)
folders=(include src kernels tests)
for folder in examples benchmarks; do [[ -d $folder ]] && folders+=("$folder"); done

format() {
  local said bad
  said=$(find "${folders[@]}" '(' -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' ')' -print0 |
    xargs -0 clang-format-14 --dry-run 2>&1) || { echo "$said"; return 1; }
  bad=$(sed -nE 's/^([^: ]+):[0-9].*/\1/p' <<< "$said" | sort -u)
  [[ -z $bad ]] || { echo "clang-format-14 -i" $bad; return 1; }
}

# Earlier versions than 16 do not know all of C++20, and this one captures no structured binding where
# OpenMP is on. The tests' precompiled header is GCC's; left out, their own #includes are checked too.
tidy() {
  local arguments=(-p "$build/tidy" --quiet --extra-arg=-fno-openmp) name gcc_headers
  mkdir -p "$build/tidy"
  sed -E 's| -Winvalid-pch -include [^ ]*cmake_pch\.hxx||' "$build/compile_commands.json" \
    > "$build/tidy/compile_commands.json"
  gcc_headers=$(dirname "$(g++ -print-file-name=include/omp.h)")
  arguments+=(--extra-arg=-idirafter"$gcc_headers")
  for name in unknown-warning-option unknown-pragmas unknown-attributes return-type-c-linkage; do
    arguments+=(--extra-arg=-Wno-"$name")
  done
  scripts/tidy_sources.py "$build" "${base[@]}" |
    xargs -r -P "$cores" -n 1 clang-tidy-16 "${arguments[@]}" 2> "$build/tidy.err" ||
    { grep -vE '^[0-9]+ warnings? (generated|treated)' "$build/tidy.err"; return 1; }
}

# A product that needs the driver's libraries would not start on a machine without a GPU.
products() {
  local file section needed examined=0 bad=0
  for file in "$build"/bin/* "$build"/lib/*.so*; do
    [[ -f $file ]] || continue
    section=$(readelf -d "$file") || { echo "readelf cannot read $file"; return 1; }
    examined=$((examined + 1))
    needed=$(grep -E 'NEEDED.*(libcuda\.so|libnvidia-ml\.so)' <<< "$section") || continue
    echo "$file needs the GPU driver's library: $needed"
    bad=1
  done
  ((examined > 0)) || { echo "there is no product in $build"; return 1; }
  return "$bad"
}

failed=()
step() {
  echo "== $1"
  local start=$SECONDS
  "${@:2}" || failed+=("$1")
  echo "   $((SECONDS - start)) s"
}

scripts/install_packages.sh --check
cmake --preset release > /dev/null
cmake --build --preset release --parallel "$cores"

step "clang-format" format
step "layers" scripts/check_layers.py
step "headers" scripts/check_headers.sh "$build"
step "products" products
step "clang-tidy" tidy

if ((${#failed[@]})); then
  (IFS=,; echo "check.sh: to mend: ${failed[*]}") >&2
  exit 1
fi
echo "check.sh: all is well"
