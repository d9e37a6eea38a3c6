"""A file that torch refuses to read safely is not resumed from."""

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.utils import digit_version

from vitpose_mm.checkpoints.resume_check import refuse_code

pytestmark = pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.6'), reason='torch cannot tell')


class Other:
    pass


def test_a_class_is_named_with_the_way_out(tmp_path):
    file = tmp_path / 'epoch_1.pth'
    torch.save(dict(meta=Other()), file)
    with pytest.raises(ValueError, match=r'epoch_1\.pth holds \S*Other, so reading it could run code: .* add --trust$'):
        refuse_code(str(file), '--trust')


def test_what_mmengine_writes_is_accepted(tmp_path):
    file = tmp_path / 'epoch_1.pth'
    torch.save(dict(state_dict=dict(a=torch.ones(2)), message_hub=dict(loss=HistoryBuffer([1.0], [1]))), file)
    assert refuse_code(str(file), '--trust') is None


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    file = tmp_path / 'epoch_1.pth'
    torch.save(dict(meta=np.array([object()])), file)
    with pytest.raises(ValueError, match='so reading it could run code'):
        refuse_code(str(file), '--trust')
