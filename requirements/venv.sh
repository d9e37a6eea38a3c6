#!/usr/bin/env bash
# Set up .venv (`venv.sh tested`) or .venv-legacy (`venv.sh legacy`) with uv; the Makefile calls this.
# Does nothing when the last run finished with the same inputs; an interrupted run continues.
set -eEuo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_USER # they would lead Python and pip out of the environment
exec 9<setup.py # the commands below inherit the lock
flock --nonblock 9 || { echo 'Another set-up is running in this checkout: waiting for it.' && flock 9; }

case $1 in
    tested) venv=.venv pythons='3.10|3.11|3.12' pins='-r requirements/tested.txt -r projects/peers/requirements.txt' ;;
    legacy) venv=.venv-legacy pythons='3.10 3.11' pins='-r requirements/legacy.txt' ;; # 3.11 only where 3.10 is missing
esac
python=$venv/bin/python

version() { "$1" -c 'import sys, ensurepip; print("%d.%d" % sys.version_info[:2])' 2>/dev/null </dev/null || true; }
fits() { [[ $(version "$1") =~ ^(${pythons// /|})$ ]]; }
stop() { echo "$1" >&2 && exit 1; }

[ -z "${PYTHON:-}" ] || fits "$PYTHON" || stop "PYTHON=$PYTHON is not a working Python ${pythons//[ |]/ or }."
# activate is written last and names the folder: missing when the creation was interrupted, another one after a move
if ! fits $python || ! grep -qsF "$PWD/$venv" $venv/bin/activate; then
    mapfile -t found < <(type -ap python3 python python3.11 python3.12 python3.10 || true)
    for wanted in $pythons; do
        for base in ${PYTHON:+"$PYTHON"} "${found[@]}" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[0-2].*/bin/python; do
            [[ $(version "$base") =~ ^($wanted)$ ]] && break 2
        done
    done
    fits "$base" || stop "No Python ${pythons//[ |]/ or } works here: install one, or name it: PYTHON=/path/to/python."
    echo "Creating $venv with $base (Python $(version "$base"))"
    "$base" -m venv --clear --without-pip $venv
elif [ -n "${PYTHON:-}" ] && [ "$(version "$PYTHON")" != "$(version $python)" ]; then
    stop "$venv has Python $(version $python). To change it to $PYTHON, first run: rm -rf $venv"
fi

inputs=$(cat requirements/* projects/peers/requirements.txt setup.py | sha256sum)
[ "$(cat $venv/ready 2>/dev/null)" != "$inputs" ] || exit 0
rm -f $venv/ready
trap 'echo "Set-up failed. Find the cause: $python -m vitpose doctor. Continue: the same command again." >&2' ERR

uv=uv
if ! uv --version >/dev/null 2>&1; then
    uv=$venv/bin/uv
    if ! $uv --version >/dev/null 2>&1; then
        $python -m ensurepip >/dev/null
        $python -m pip install -q --ignore-installed uv==0.13.9
    fi
fi
export UV_COMPILE_BYTECODE=1 # importing mmpose takes half the time, also with PYTHONDONTWRITEBYTECODE
# uv does not read pip's settings
index=${PIP_INDEX_URL:-$($python -m pip config get global.index-url 2>/dev/null || true)}
[ -z "$index" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-$index}}
export UV_FIND_LINKS=${UV_FIND_LINKS:-${PIP_FIND_LINKS:+${PIP_FIND_LINKS// /,}}}
# uv writes INSTALLER last: without it, a package is only half installed
for info in $venv/lib/python*/site-packages/*.dist-info; do [ -e "$info/INSTALLER" ] || rm -rf "$info"; done

echo 'Installing torch and what mmcv is built with'
$uv pip install --python $python -c "requirements/$1.txt" -r requirements/build.txt

# CUDA ops need a GPU and an nvcc of torch's CUDA; FORCE_CUDA=0 or 1 in the environment overrides this
read -r built_for cuda < <($python -c 'import numpy, torch
print(f"torch{torch.__version__}-numpy{numpy.__version__}", torch.version.cuda if torch.cuda.is_available() else None)')
if [ -z "${FORCE_CUDA:-}" ]; then
    nvcc=$("${CUDA_HOME:+$CUDA_HOME/bin/}nvcc" --version 2>/dev/null || true)
    [[ $nvcc == *"release ${cuda%%.*}."* ]] && FORCE_CUDA=1 || FORCE_CUDA=0
fi
[ "$FORCE_CUDA" != 0 ] || export CUDA_VISIBLE_DEVICES=
[ "$1" != tested ] || export PLAIN_CXX="${CXX:-c++}" CXX="$PWD/requirements/cxx20" NVCC_APPEND_FLAGS=-std=c++20
export FORCE_CUDA MMCV_WITH_OPS=1 CFLAGS='-g0 -O2' # without debug info in half the time
jobs=$(awk -v n="$(nproc)" '/MemTotal/ {m = int($2 / 1.5e6); print m < 1 ? 1 : m < n ? m : n}' /proc/meminfo)
export MAX_JOBS=${MAX_JOBS:-$jobs} # one compiler takes up to 1.5 GB

# what was built for another torch or numpy does not import: install it again
$python -c 'import mmcv.ops, xtcocotools.coco' 2>/dev/null ||
    $uv pip uninstall -q --python $python onedl-mmcv mmcv xtcocotools 2>/dev/null
echo "Installing the rest; building mmcv's ops takes 5 to 12 minutes where uv has no wheel of them"
$uv pip install --python $python --no-deps --no-build-isolation --no-binary xtcocotools --reinstall-package vitpose_mm \
    --config-settings-package "onedl-mmcv:for=$built_for-cuda$FORCE_CUDA" \
    --config-settings-package "mmcv:for=$built_for-cuda$FORCE_CUDA" \
    --config-settings-package "xtcocotools:for=$built_for" $pins -e .
$python -W ignore -c 'import torch, torchvision, mmengine, mmcv.ops, xtcocotools.coco, mmdet, mmpose, mim'
echo "$inputs" >$venv/ready
echo "$venv is ready."
