import numpy as np
import pytest
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from vitpose_mm.datasets.metainfo import parse_metainfo
from vitpose_mm.visualization import PerDatasetVisualizer

META = {name: parse_metainfo(dict(type=kind)) for name, kind in (('coco', 'CocoDataset'), ('aic', 'AicDataset'))}
COMBINED = dict(META['coco'], members=META)


@pytest.fixture
def visualizer():
    visualizer = PerDatasetVisualizer(radius=4)
    visualizer.set_dataset_meta(COMBINED)
    return visualizer


def draw(visualizer, name):
    """Draw a sample with keypoints in one row, 20 pixels apart; return the image and the keypoints (K, 2)."""
    keypoints = len(META[name]['keypoint_colors'])
    xy = np.stack([20 * np.arange(1, keypoints + 1), np.full(keypoints, 20)], axis=1).astype(np.float32)
    sample = PoseDataSample(metainfo=dict(dataset_name=name))
    sample.pred_instances = InstanceData(keypoints=xy[None], keypoints_visible=np.ones((1, keypoints)))
    return visualizer.add_datasample('one', np.zeros((40, 400, 3), np.uint8), sample, draw_gt=False), xy.astype(int)


@pytest.mark.parametrize('names', [('coco', 'aic', 'coco'), ('aic',)])
def test_each_dataset_has_its_colors_and_skeleton(visualizer, names):
    if names == ('aic',):  # a single dataset is drawn as by MMPose
        visualizer.set_dataset_meta(META['aic'])
    for name in names:
        image, xy = draw(visualizer, name)
        assert (image[xy[:, 1], xy[:, 0]] == META[name]['keypoint_colors']).all()
        assert visualizer.skeleton == META[name]['skeleton_links']


def test_a_named_color_applies_to_all_datasets(visualizer):
    """As BadCaseAnalysisHook sets it."""
    visualizer.kpt_color = visualizer.link_color = 'blue'
    for name in META:
        image, xy = draw(visualizer, name)
        assert (image[xy[:, 1], xy[:, 0]] == (0, 0, 255)).all()
