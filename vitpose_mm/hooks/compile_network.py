"""`torch.compile` for the network of a model, instead of MMEngine's whole training step."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch import nn

from ..estimators.teacher import Teacher
from ..heads.decoders import DecoderHead
from .dataset_mix import bare_model


@HOOKS.register_module()
class CompileHook(Hook):
    """Compiles backbone, head and teacher with the arguments of a config's `compile`.

    MMEngine would compile the whole training step, with the samples' metainfo and the optimiser. That fails, or
    compiles again whenever one of them changes. With this hook, `compile=dict(backend=..., mode=...)` or `compile=True`
    compiles the parts that take and return tensors, in the first epoch, once per shape of a batch.
    """

    def before_run(self, runner: Runner) -> None:
        """Compile before MMEngine would, which comes later in the same call, and keep it from that."""
        options = runner.cfg.get('compile')
        if options and runner._train_loop is not None:
            names = compile_network(bare_model(runner), options)
            print_log(f'CompileHook: compiles {", ".join(names)} in the first steps', logger='current')
            runner.cfg.compile = False


def compile_network(model: Any, options: bool | dict) -> list[str]:
    """Compile the parts of a model whose arguments are tensors, in place; state dicts keep their keys.

    Heads of several datasets are not compiled: each loss counts another number of samples in each batch.

    Args:
        model: an estimator, without the wrapper of a distributed run.
        options: arguments of `torch.compile`, or True.

    Returns:
        The names of the parts.

    Raises:
        ValueError: torch is too old.
    """
    if not hasattr(nn.Module, 'compile'):
        raise ValueError('compile=... needs torch >= 2.2: remove it from the config, or install a newer torch')
    arguments = options if isinstance(options, dict) else {}
    parts = {'backbone': getattr(model, 'backbone', None), 'head': getattr(model, 'head', None)}
    teacher = getattr(model, 'teacher', None)
    if isinstance(teacher, Teacher):
        parts |= {'teacher.backbone': teacher.model.backbone, 'teacher.head': teacher.model.head}
    found = {name: part for name, part in parts.items() if name.endswith('backbone') or isinstance(part, DecoderHead)}
    for part in found.values():
        if part is not None:
            part.compile(**arguments)
    return [name for name, part in found.items() if part is not None]
