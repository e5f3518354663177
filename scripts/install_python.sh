#!/usr/bin/env bash
# usage: install_python.sh FOLDER
# Makes FOLDER a Python environment with the packages that our files are exchanged with in tests. Does
# nothing where it is one. Where that cannot be done (no network) it says so and ends with 0: those tests
# are skipped, and counted as such.
set -euo pipefail

(($# == 1)) || { echo "install_python.sh: give the folder of the environment" >&2; exit 2; }
folder=$1
packages=(numpy safetensors)

"$folder/bin/python3" -c 'import numpy, safetensors' 2> /dev/null && exit 0
echo "Installing ${packages[*]} into $folder" >&2
python3 -m venv "$folder" &&
  "$folder/bin/python3" -m pip install --quiet --disable-pip-version-check "${packages[@]}" < /dev/null ||
  echo "Python's ${packages[*]} could not be installed: the tests that need them are skipped." >&2
