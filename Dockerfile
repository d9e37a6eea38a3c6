# The tested stack (requirements/tested.txt) with vitpose_mm in /vitpose_mm.
# CPU:  docker build -t vitpose .
# CUDA: docker build -t vitpose-cuda --build-arg BASE=nvidia/cuda:13.0.2-devel-ubuntu24.04 --build-arg CUDA=1 .
#       docker run --gpus all vitpose-cuda vitpose doctor
ARG BASE=ubuntu:24.04
FROM ${BASE}
# 1 compiles mmcv's operators for the GPUs of CUDA_ARCHITECTURES too, which takes longer; it needs the nvcc of BASE
ARG CUDA=0
ARG CUDA_ARCHITECTURES="8.0 8.6 9.0"
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        g++ make python3 python3-dev python3-venv libgl1 libglib2.0-0t64 && rm -rf /var/lib/apt/lists/*
WORKDIR /vitpose_mm
COPY . .
RUN FORCE_CUDA=${CUDA} TORCH_CUDA_ARCH_LIST="${CUDA_ARCHITECTURES}" make venv && rm -rf /root/.cache
ENV PATH=/vitpose_mm/.venv/bin:$PATH
CMD ["vitpose", "--help"]
