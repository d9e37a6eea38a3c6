#!/usr/bin/env bash
# Build wheels of mmcv (with its ops for the CPU, which MMPose imports) and xtcocotools, which have none on PyPI, and
# download those of MMPose that need no building, for a machine without network or compiler. Its Python and torch:
# PYTHON_VERSION and TORCH_VERSION. There: pip install --no-index --no-deps wheels/*.whl
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/../.."
python_version=${PYTHON_VERSION:-3.12} torch_version=${TORCH_VERSION:-2.11.0} out=${OUT:-wheels}
uv=$(command -v uv || echo .venv/bin/uv)
mkdir -p "$out"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$uv" venv -q --seed --python "$python_version" "$folder/venv"
python=$folder/venv/bin/python
pin() { grep -oE "^$1==[^;]+" requirements/tested.txt; }
"$uv" pip install -q --python "$python" "torch==$torch_version" numpy==2.2.6 setuptools==80.10.2 wheel ninja Cython packaging
export MMCV_WITH_OPS=1 FORCE_CUDA=0 CUDA_VISIBLE_DEVICES='' CFLAGS='-g0 -O2' MAX_JOBS=${MAX_JOBS:-$(nproc)}
export PLAIN_CXX=${CXX:-c++} CXX=$PWD/requirements/cxx20
"$python" -m pip wheel -q --no-deps --no-build-isolation --no-binary xtcocotools,onedl-mmcv -w "$out" \
    "$(pin onedl-mmcv)" "$(pin xtcocotools)"
"$python" -m pip wheel -q --no-deps -w "$out" "$(pin onedl-mmengine)" "$(pin onedl-mmdetection)" "$(pin mmpose)" \
    "$(pin addict)" "$(pin json-tricks)" "$(pin munkres)" "$(pin terminaltables)" "$(pin yapf)" "$(pin pycocotools)"
ls -l "$out"
