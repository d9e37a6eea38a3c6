"""Time of a network in ONNX Runtime in fp32 and in its int8 (QDQ), for random weights and crops."""

import argparse
import sys
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quant_pre_process, quantize_static

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.studies.timing import alternate
from vitpose.bench.bench_setup import make_setup
from vitpose.predict.models.onnx_backend import OnnxNetwork
from vitpose.predict.models.torch_model import PoseModel
from vitpose_mm.export.graph import HeatmapGraph
from vitpose_mm.export.onnx_file import write_onnx

CALIBRATED = 4  # batches: random weights need no more for a time


class Crops(CalibrationDataReader):
    """Random normalized images."""

    def __init__(self, shape: tuple[int, ...]):
        generator = np.random.default_rng(0)
        self.batches = iter([{'images': generator.normal(size=shape).astype(np.float32)} for _ in range(CALIBRATED)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch; None at the end."""
        return next(self.batches, None)


def main() -> int:
    """Export, quantize, measure alternating, print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=Path, metavar='CONFIG')
    parser.add_argument('--batch-size', type=int, default=4, metavar='N', help='people per batch (default 4)')
    parser.add_argument('--rounds', type=int, default=7, metavar='N', help='(default 7)')
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        setup = make_setup(args.config, None, folder, 'cpu')
        model = PoseModel(setup.config, setup.checkpoint, 'cpu')
        width, height = model.crop_rule.input_size
        shape = (args.batch_size, 3, height, width)
        files = {'fp32': folder / 'fp32.onnx', 'int8': folder / 'int8.onnx'}
        graph = HeatmapGraph(model.network.network, None, crops=False).eval()
        write_onnx(graph, torch.zeros(2, *shape[1:]), files['fp32'], {})
        prepared = str(folder / 'prepared.onnx')
        quant_pre_process(str(files['fp32']), prepared)
        kinds = dict(activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        options = dict(quant_format=QuantFormat.QDQ, per_channel=True, **kinds)
        quantize_static(prepared, str(files['int8']), Crops(shape), **options)
        images = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        networks = {kind: partial(OnnxNetwork(file, 'cpu'), images) for kind, file in files.items()}
        seconds = alternate(networks, args.rounds)
    for kind, found in seconds.items():
        times = sorted(1000 * each / args.batch_size for each in found)
        print(f'{kind}: median {median(times):.1f} ms per person, {times[0]:.1f} to {times[-1]:.1f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
