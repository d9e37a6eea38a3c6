"""Predict the shipped photograph with the shipped model."""

from pathlib import Path

from ..predict.models.loading import load_model
from ..predict.outputs.drawn_files import write_jpeg
from ..predict.predictor import PosePredictor
from ..predict.two_pass import TwoPassDetector

PHOTO = Path(__file__).with_name('skier.jpg')  # Flickr 6795644157, COCO val2017 785, CC BY 2.0


def predict_photo(out: Path) -> Path:
    """Draw the pose that `tiny` predicts, in two passes and without network, into a JPEG file, and return it."""
    model = load_model('tiny', device='cpu')
    write_jpeg(out, PosePredictor(model, TwoPassDetector(model))(PHOTO).plot())
    return out
