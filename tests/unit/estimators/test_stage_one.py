"""Training the knowledge token of a frozen teacher: no other weight changes."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from tests.unit.estimators.distillation import WRAPPER, estimator, multi_dataset_estimator
from tests.unit.heads.pose_samples import pose_sample


def build(multi_dataset=False, freeze=False):
    init_default_scope('mmpose')
    model = multi_dataset_estimator() if multi_dataset else estimator()
    model['backbone'].update(freeze='all_but_token', knowledge_token=dict(), drop_path_rate=0.9)
    for head in model['head'].get('heads', dict(single=model['head'])).values():
        head.update(freeze=freeze)
    torch.manual_seed(0)
    return MODELS.build(model)


def batch():
    samples = [pose_sample(17, seed=seed, dataset_name='coco') for seed in range(2)]
    return dict(inputs=[torch.rand(3, 64, 48) for _ in samples], data_samples=samples)


@pytest.mark.parametrize('kind', ['OptimWrapper', 'AutocastOptimWrapper'])
@pytest.mark.parametrize('multi_dataset', [False, True])
def test_only_the_token_changes(multi_dataset, kind):
    model = build(multi_dataset, freeze=True)
    optimizer = build_optim_wrapper(model, dict(WRAPPER, type=kind))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(3):
        model.eval()
        model.train()  # as after validation
        assert torch.isfinite(model.train_step(batch(), optimizer)['loss'])
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {'backbone.knowledge_token.tokens'}
    (group,) = optimizer.optimizer.param_groups
    assert group['params'][0] is model.backbone.knowledge_token.tokens and len(group['params']) == 1
    assert group['weight_decay'] == 0


def test_a_trainable_decoder_is_refused():
    with pytest.raises(ValueError, match=r"freeze='all_but_token', but head\.\S+ is trainable too.*freeze=True"):
        build_optim_wrapper(build(), dict(WRAPPER, type='OptimWrapper'))
