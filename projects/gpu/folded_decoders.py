"""Processor time of the decoders and the folded decoders, in torch and OpenVINO, alternating in one run."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import openvino
import torch

from vitpose_mm.networks.decoders import classic_decoder, simple_decoder
from vitpose_mm.networks.folded import fold

ROUNDS, PEOPLE, KEYPOINTS = 9, 2, 17


def in_openvino(module: torch.nn.Module, feats: torch.Tensor) -> Callable[[], Any]:
    """The module as OpenVINO runs it in fp32."""
    model = openvino.convert_model(module, example_input=feats)
    options = dict(INFERENCE_PRECISION_HINT='f32', INFERENCE_NUM_THREADS=torch.get_num_threads())
    compiled = openvino.Core().compile_model(model, 'CPU', options)
    return lambda: compiled(feats.numpy())


@torch.inference_mode()
def main() -> None:
    """Print medians in ms per person, and the median of the paired ratios."""
    print('| decoder | C | torch | folded | ratio | OpenVINO | folded | ratio |\n|---|---|---|---|---|---|---|---|')
    for name, make in dict(classic=classic_decoder, simple=simple_decoder).items():
        for channels in (192, 768):
            decoder, feats = make(channels, KEYPOINTS).eval(), torch.randn(PEOPLE, channels, 16, 12)
            modules = decoder, fold(decoder, 'cuda')
            runs = [partial(module, feats) for module in modules]
            runs += [in_openvino(module, feats) for module in modules]
            seconds = np.zeros((ROUNDS, len(runs)))
            for i in range(-2, ROUNDS):
                for j in range(len(runs))[:: -1 if i % 2 else 1]:
                    start = time.process_time()
                    runs[j]()
                    seconds[i, j] = time.process_time() - start
            ms, ratios = 1000 * np.median(seconds, 0) / PEOPLE, np.median(seconds[:, 1::2] / seconds[:, ::2], 0)
            cells = [f'{ms[2 * k]:.1f} | {ms[2 * k + 1]:.1f} | {ratios[k]:.2f}' for k in (0, 1)]
            print(f'| {name} | {channels} | {" | ".join(cells)} |', flush=True)


if __name__ == '__main__':
    main()
