"""Write a graph with torch.export, or compiled for this processor by AOTInductor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .onnx_file import Graph, check_torch


def write_torch(graph: Graph, example: Tensor, file: Path, stored: Mapping[str, str], compiled: bool = False) -> None:
    """Write a graph with a dynamic batch size.

    Args:
        graph: on the CPU, in fp32.
        example: two inputs of the graph.
        file: FILE.pt2.
        stored: strings for its metadata, by key.
        compiled: write machine code for this kind of processor instead of a program of torch's operators.

    Raises:
        ValueError: torch is too old, or there is no C++ compiler for `compiled`.
    """
    check_torch()
    with torch.no_grad():
        program = torch.export.export(graph, (example,), dynamic_shapes=({0: torch.export.Dim('batch')},))
    for node in program.graph.nodes:
        node.meta.pop('stack_trace', None)  # with paths of this machine
    if not compiled:
        torch.export.save(program, str(file), extra_files=dict(stored))
        return
    check_compiler()
    settings: dict[str, Any] = {'aot_inductor.metadata': dict(stored)}
    try:
        with torch.no_grad():
            torch._inductor.aoti_compile_and_package(program, package_path=str(file), inductor_configs=settings)
    except Exception as problem:  # of a compiler, in classes of its own
        raise ValueError(
            f'AOTInductor failed ({type(problem).__name__}: {" ".join(str(problem).split())[:300]}); export without '
            '--compile'
        ) from problem


def check_compiler() -> None:
    """Raise a ValueError unless AOTInductor finds a C++ compiler that runs."""
    from torch._inductor import cpp_builder

    try:
        cpp_builder.get_cpp_compiler()
    except Exception as problem:
        raise ValueError(
            f'--compile needs a C++ compiler ({" ".join(str(problem).split())[:200]}): install g++ or clang, or set '
            'CXX; or export without --compile'
        ) from problem
