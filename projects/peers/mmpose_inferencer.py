"""MMPose's own prediction as a contestant."""

from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.apis import MMPoseInferencer
from mmpose.registry import KEYPOINT_CODECS

from vitpose.bench.bench_setup import Setup
from vitpose.bench.contestant import Boxes, Contestant, Images
from vitpose_mm.codecs.heatmaps import BatchCodec


class GivenBoxes:
    """Stands in for the detector of MMPoseInferencer, which takes no boxes."""

    def __init__(self) -> None:
        self.boxes: dict[int, np.ndarray] = {}

    def give(self, images: Images, boxes: Boxes) -> None:
        """Set the boxes of these very arrays."""
        self.boxes = {id(image): image_boxes for image, image_boxes in zip(images, boxes, strict=True)}

    def __call__(self, image: np.ndarray, return_datasamples: bool) -> dict:
        """What a DetInferencer returns, as far as it is read."""
        boxes = self.boxes[id(image)]
        scores = torch.linspace(1, 0.5, len(boxes))  # the inferencer sorts by score
        people = InstanceData(bboxes=torch.from_numpy(boxes), scores=scores, labels=torch.zeros(len(boxes)))
        return dict(predictions=[SimpleNamespace(pred_instances=people)])


class Inferencer(Contestant):
    """MMPoseInferencer with the same config, but for MMPose's own codec, which decodes one person at a time.

    End to end it runs the people of one image as one batch, which cannot be changed.
    """

    def __init__(self, setup: Setup):
        self.batch_size = setup.batch_size
        self.inferencer = MMPoseInferencer(
            with_mmpose_codec(setup.config), str(setup.checkpoint), det_model='whole_image', device=str(setup.device)
        )
        self.pose2d = self.inferencer.inferencer
        self.pose2d.model.dataset_meta = setup.metainfo  # the inferencer takes the training set's, if there is one
        self.pose2d.detector, self.pose2d.det_cat_ids = GivenBoxes(), (0,)

    def preprocess(self, images: Images, boxes: Boxes) -> list[dict]:
        """The config's test pipeline per person; then people are collated into batches."""
        meta, people = self.pose2d.model.dataset_meta, list[Any]()
        for image, image_boxes in zip(images, boxes, strict=True):
            for box in image_boxes:
                person = dict(img=image, img_path='', bbox=box[None], bbox_score=np.ones(1, np.float32), **meta)
                people.append(self.pose2d.pipeline(person))
        starts = range(0, len(people), self.batch_size)
        return [self.pose2d.collate_fn(people[start : start + self.batch_size]) for start in starts]

    @torch.no_grad()
    def network(self, inputs: list[dict]) -> list[Any]:
        """Data preprocessor and model."""
        model = self.pose2d.model
        return [model(model.data_preprocessor(batch)['inputs'], None, mode='tensor') for batch in inputs]

    def decode(self, inputs: list[dict], outputs: list[Any]) -> np.ndarray:
        """MMPose's codec per person, and its transform to the image."""
        model = self.pose2d.model
        keypoints = [
            sample.pred_instances.keypoints
            for batch, heatmaps in zip(inputs, outputs, strict=True)
            for sample in model.add_pred_to_datasample(model.head.decode(heatmaps), None, batch['data_samples'])
        ]
        return np.concatenate(keypoints)

    def predict(self, images: Images, boxes: Boxes) -> np.ndarray:
        """MMPoseInferencer's own call, with `return_datasamples`, which spares it a conversion to lists."""
        self.pose2d.detector.give(images, boxes)
        results = self.inferencer(list(images), return_datasamples=True, bbox_thr=0, nms_thr=1.0)
        return np.concatenate([result['predictions'][0].pred_instances.keypoints for result in results])


def with_mmpose_codec(config: Config) -> Config:
    """A copy of a config, whose head decodes with MMPose's own codec instead of ours."""
    config = deepcopy(config)
    decoder = config.model.head.decoder
    codec: Any = KEYPOINT_CODECS.get(decoder['type'])
    if issubclass(codec, BatchCodec):
        decoder['type'] = codec.__name__.removeprefix('Batch')
        decoder.pop('border', None)  # ours alone
    return config
