"""Compile the network of a model with `torch.compile`, instead of MMEngine's whole training step."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmpose.registry import HOOKS

from ..estimators.teacher import Teacher
from ..heads.decoders import DecoderHead
from ..torch_support import check_torch
from .bare_model import bare_model


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile the parts of `compile_network` with the arguments in a config's `compile`, a dict or True.

    MMEngine would compile the whole training step, again for each change in a sample's metainfo, or fail. As MMEngine,
    the hook compiles nothing in tests.
    """

    def before_run(self, runner: Runner) -> None:
        """Compile before MMEngine does so later in the same call."""
        options = runner.cfg.get('compile')
        if options and isinstance(runner._train_loop, BaseLoop):  # in tests it is only a config
            names = compile_network(bare_model(runner), options)
            print_log(f'CompileHook: compiles {", ".join(names)} in the first steps', logger='current')
            runner.cfg.compile = False


def compile_network(model: Any, options: bool | dict) -> list[str]:
    """Compile backbone and head of a model and of its teacher, in place; return the names of these parts.

    A multi-dataset head and MMPose's heads are not compiled.
    """
    check_torch('2.2', 'compile')
    parts: dict[str, Any] = {'backbone': getattr(model, 'backbone', None), 'head': getattr(model, 'head', None)}
    if isinstance(teacher := getattr(model, 'teacher', None), Teacher):
        parts |= {'teacher.backbone': teacher.model.backbone, 'teacher.head': teacher.model.head}
    parts = {name: part for name, part in parts.items() if isinstance(part, DecoderHead) or 'head' not in name and part}
    for part in parts.values():
        part.compile(**(options if isinstance(options, dict) else {}))
    return list(parts)
