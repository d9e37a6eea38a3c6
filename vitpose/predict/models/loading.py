"""Load the model that a config and a checkpoint, a file or a name stands for."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitpose_base.installed import missing_packages

from ...errors import InputError
from ...models.catalogue import MSRA, NamedModel
from ...models.names import find_files, is_name
from ..optional_imports import check_openmmlab, import_optional
from .exported import ExportedModel, is_checkpoint, is_exported

if TYPE_CHECKING:
    from mmengine.config import Config

    from .graph_model import GraphModel


def load_model(
    config: 'str | Path | NamedModel | Config',
    checkpoint: str | Path | None = None,
    *,
    device: str = 'auto',
    precision: str | None = None,
    flip_test: bool = False,
    dataset: str | None = None,
    compile: bool = False,
    cfg_options: dict[str, Any] | None = None,
) -> 'GraphModel | ExportedModel':
    """Load the model of a config and a checkpoint, of a checkpoint alone, or an exported file.

    Args:
        config: config file, or a loaded config, which need OpenMMLab; or a file of `vitpose export`; or a checkpoint of
            a ViTPose, which needs torch alone, see `NetworkModel`; or a name of `vitpose models` or of the hub, whose
            files are downloaded once, or what `find_files` returned for one; or a folder of transformers.
        checkpoint: weights of the config's model; no code in the file runs. None for the others.
        device: 'auto' (the first CUDA GPU, or else the CPU), 'cpu', 'cuda', 'cuda:1', ...; of models in torch 'mps'; of
            ONNX files 'coreml', 'directml', 'directml:1', ...
        precision: 'fp32', 'bf16', 'fp16' (GPU only) or 'auto', see `as_precision`; None: fp32, or that of the file.
            Where a processor only emulates bfloat16, bf16 means fp32.
        flip_test: average the heatmaps with those of the mirrored crop, as the config's test_cfg says; twice the time.
        dataset: of a multi-dataset model, whose head, expert, keypoints, crop and codec are used; or that of a
            checkpoint alone, if it does not record it.
        cfg_options: values to override in a config, by dotted key, as `mim test --cfg-options`.
        compile: compile the network with torch.compile in the first batch, which takes minutes; on a CUDA GPU with a
            CUDA graph for each size of a batch. Not for exported files.

    OSError if a file does not exist; ValueError: see `PoseModel`, `NetworkModel`, `ExportedModel` and its `check`.
    """
    if checkpoint is None and isinstance(config, str | Path) and is_name(config):
        config = find_files(str(config))
    if isinstance(named := config, NamedModel):
        dataset = dataset or named.dataset
        if named.config is None:
            config = named.file
        elif named.cfg_options and missing_packages() and not cfg_options:  # a name; options take a config
            folder = named.config.parent.name
            dataset = dataset or {'wholebody': 'coco_wholebody', 'humanart': 'Human-Art'}.get(folder, folder)
            return load_alone(named, (device, precision or 'fp32', flip_test, dataset, compile))
        else:
            config, checkpoint = named.config, named.file
            cfg_options = {**named.cfg_options, **(cfg_options or {})}
    options = device, precision or 'fp32', flip_test, dataset, compile
    if isinstance(config, str | Path) and ((is_complete := is_exported(config)) or is_checkpoint(config)):
        why = 'an exported file is complete' if is_complete else 'a checkpoint alone has none'
        given = dict(checkpoint=checkpoint, compile=compile and is_complete, cfg_options=cfg_options)
        for name, value in given.items():
            if value:
                raise InputError(f'{config} with {name}={value}: only with a config; {why}')
        if is_complete:
            exported = ExportedModel(config, device)
            exported.check(precision, flip_test, dataset)
            return exported
        import_optional('torch', 'a checkpoint')
        from .network_model import NetworkModel

        return NetworkModel(config, *options)
    if checkpoint is None:
        raise InputError(f'{config}: expected a checkpoint with a config; only an exported file needs none')
    check_openmmlab(config)
    from .torch_model import PoseModel

    return PoseModel(config, checkpoint, *options, cfg_options)


def load_alone(named: NamedModel, options: tuple[str, str, bool, str | None, bool]) -> 'GraphModel':
    """Load the model of a name, on torch alone, with device, precision, flip_test, dataset, compile of `load_model`."""
    about = {key: named.cfg_options[key] for key in ('license', 'objects') if key in named.cfg_options}
    others = set(named.cfg_options) - set(about)
    if is_separated := set(MSRA) <= others:
        others -= set(MSRA)
    # the weights in a folder of transformers also describe the network, but not the names of its keypoints
    if others and (not named.file.is_dir() or 'test_dataloader.dataset.metainfo' in others):
        check_openmmlab(named.file)
    import_optional('torch', 'a checkpoint')
    from .network_model import NetworkModel

    model = NetworkModel(named.file, *options, is_separated)
    model.metainfo |= about
    return model
