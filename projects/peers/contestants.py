"""Other tools as contestants of `vitpose bench`; importing this registers them."""

from vitpose.bench.bench_setup import Setup
from vitpose.bench.contestant import Contestant, LeftOut
from vitpose.bench.contestants import check_packages, register


def make_mmpose(setup: Setup) -> Contestant:
    """MMPoseInferencer."""
    from projects.peers.mmpose_inferencer import Inferencer

    return Inferencer(setup)


def make_transformers(setup: Setup) -> Contestant:
    """ViTPose of transformers."""
    check_packages('pip install transformers==4.53.3', 'transformers')
    check_usual_crop(setup, 'transformers')
    from projects.peers.transformers_vitpose import TransformersVitPose

    return TransformersVitPose(setup)


def make_rtmlib(setup: Setup) -> Contestant:
    """ViTPose of rtmlib."""
    # its dependency opencv-contrib-python would overwrite opencv-python's files
    command = 'pip install --no-deps rtmlib && pip install onnx onnxscript onnxruntime'
    check_packages(command, 'rtmlib', 'onnx', 'onnxruntime')
    check_usual_crop(setup, 'rtmlib')
    from projects.peers.rtmlib_vitpose import RtmlibViTPose

    return RtmlibViTPose(setup)


def check_usual_crop(setup: Setup, name: str) -> None:
    """Raise `LeftOut` unless the model crops, normalizes and decodes in the one way that some peers have."""
    rule, model = setup.crop_rule, setup.config.model
    codec, steps = model.head.decoder['type'], model.data_preprocessor
    if not rule.use_udp or rule.padding != 1.25 or 'UDPHeatmap' not in str(codec):
        raise LeftOut(
            f'{name} always crops and decodes with UDP and padding 1.25; this model has use_udp={rule.use_udp}, '
            f'padding={rule.padding} and {codec}'
        )
    if not steps.get('mean') or not steps.get('bgr_to_rgb'):
        raise LeftOut(f"{name} takes normalized RGB images; this model's data_preprocessor is {dict(steps)}")
    if 'output_keypoint_indices' in model.test_cfg:
        raise LeftOut(f"{name} cannot leave out keypoints; this model's test_cfg has output_keypoint_indices")


register('mmpose', make_mmpose)
register('transformers', make_transformers)
register('rtmlib', make_rtmlib)
