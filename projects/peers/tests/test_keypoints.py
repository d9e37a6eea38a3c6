"""With the same weights, peers find the same keypoints, as far as their rules are the same.

The tolerances are in pixels of the network's input. MMPose does the same as we. transformers cuts the same crop, but
rounds it down to whole gray levels and does not interpolate across the image's border, which moves a keypoint by up to
0.3 here; and its decoding blurs heatmaps with a standard deviation of 0.8 cells instead of 2, which moves it by up to
0.9 more. rtmlib decodes as we do but cuts the crop without UDP, on average half a pixel off on each axis.
"""

import pytest
import torch

import projects.peers.contestants  # noqa: F401  registers them
from tests.unit.bench.fitted_model import image_px_per_input_px, people, write_fitted
from tests.unit.predict.tiny_models import several, write
from vitpose.bench.bench_setup import make_setup
from vitpose.bench.contestant import REFERENCE
from vitpose.bench.contestants import make_contestants
from vitpose.bench.rounds import measure

TOLERANCE_PX = {'mmpose': 1e-3, 'transformers': 1.3, 'rtmlib': 1.0}  # of the input
CPU = torch.device('cpu')
pytestmark = pytest.mark.slow  # imports all peers and exports a model


@pytest.fixture(scope='module')
def contestants(tmp_path_factory):
    """Setup, contestants and results of a tiny model; batches of 4 cut across images of 3 people."""
    folder = tmp_path_factory.mktemp('bench')
    setup = make_setup(*write_fitted(folder), folder, 'cpu', batch_size=4)
    made, left_out = make_contestants(setup, list(TOLERANCE_PX))
    return setup, made, left_out, measure(made, *people(), 1, CPU)


@pytest.mark.parametrize('name', TOLERANCE_PX)
def test_keypoints_are_the_references(name, contestants):
    setup, made, left_out, results = contestants
    if name in left_out:
        pytest.skip(left_out[name])
    distance = results[name].largest_px / image_px_per_input_px(setup.crop_rule)
    print(f'{name}: {distance:.5f} input pixels')
    assert distance < TOLERANCE_PX[name]
    assert results[name].people == 6 and all(len(times) == 1 for times in results[name].seconds.values())


def test_one_dataset_of_a_multi_dataset_model(tmp_path):
    made, _ = make_contestants(make_setup(*write(several(), tmp_path), tmp_path, 'cpu', dataset='mpii'), ['mmpose'])
    result = measure(made, *people(), 1, CPU)['mmpose']
    assert result.median_px < TOLERANCE_PX['mmpose']  # random heatmaps: a flat maximum may move far


@pytest.mark.parametrize('name', ['mmpose', 'transformers'])
def test_a_wrong_weight_makes_the_difference_large(name, contestants):
    _, made, left_out, _ = contestants
    if name in left_out:
        pytest.skip(left_out[name])
    model = made[name].pose2d.model if name == 'mmpose' else made[name].model
    (weight,) = (value for key, value in model.named_parameters() if 'pos_embed' in key or 'position_embed' in key)
    weight.data.neg_()
    try:
        result = measure({REFERENCE: made[REFERENCE], name: made[name]}, *people(), 1, CPU)[name]
    finally:
        weight.data.neg_()
    print(f'{name}: {result.largest_px:.1f}, {result.median_px:.1f} px')
    assert result.largest_px > 50 and result.median_px > 10


def test_crop_of_transformers_is_ours_but_for_rounding_and_border(contestants):
    setup, made, left_out, _ = contestants
    if 'transformers' not in made:
        pytest.skip(left_out['transformers'])
    theirs = made['transformers'].preprocess(*people()).crops
    reference = made[REFERENCE]
    batches = reference.preprocess(*people())
    ours = torch.cat([reference.predictor.model.normalized(batch.crops[: len(batch.people)]) for batch in batches])
    levels = (theirs - ours) * torch.from_numpy(setup.preprocessor()[1])[:, None, None]
    assert levels.abs().median() <= 1.01
    assert (levels.abs() > 4).float().mean() < 0.02
