#!/usr/bin/env bash
# usage: install_packages.sh [--check] [--data] [--test]
# Installs what building needs (Debian, Ubuntu); --check adds what scripts/check.sh needs, --data the
# Fashion-MNIST images, --test what only tests need. Does nothing where all of it is there.
# Exit 3: packages are missing and neither root nor sudo is at hand; the line to run is printed.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache binutils git python3 python3-venv iproute2
  libopenmpi-dev openmpi-bin libdnnl-dev libeigen3-dev libfmt-dev libspdlog-dev libcli11-dev
  nlohmann-json3-dev libxxhash-dev zlib1g-dev libgtest-dev libgmock-dev libbenchmark-dev
  pkg-config libhdf5-dev libzip-dev
)
test_packages=(slurm-wlm slurm-wlm-basic-plugins munge)
check_packages=(clang-format-14 clang-tidy-16)
data_packages=(dataset-fashion-mnist)

for argument in "$@"; do
  case $argument in
    --check) packages+=("${check_packages[@]}") ;;
    --test) packages+=("${test_packages[@]}") ;;
    --data) packages+=("${data_packages[@]}") ;;
    -h | --help) sed -n '2,5s/^# //p' "$0"; exit 0 ;;
    *) echo "install_packages.sh: unknown argument '$argument'; known: --check, --data, --test" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query > /dev/null; then
  echo "This is no Debian system; make sure that the counterparts of these are installed:" >&2
  echo "  ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null) == installed ]] ||
    missing+=("$package")
done
((${#missing[@]})) || exit 0

become=()
if (($(id -u) != 0)); then
  if ! command -v sudo > /dev/null; then
    echo "Packages are missing, and this is neither root nor has sudo. Have an administrator run:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 3
  fi
  become=(sudo)
fi
echo "Installing ${missing[*]}" >&2
"${become[@]}" apt-get update -qq
"${become[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" < /dev/null
