"""ViTPose of the transformers package in our sizes, and random weights of a plausible size."""

import torch

from vitpose_mm.backbones.vit_sizes import SIZES


def build_vitpose(size: str, simple: bool = False, **more):
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    sizes = SIZES[size]
    backbone = VitPoseBackboneConfig(
        **dict(image_size=(256, 192), hidden_size=sizes.embed_dim, num_hidden_layers=sizes.depth),
        **dict(num_attention_heads=sizes.num_heads, mlp_ratio=int(sizes.mlp_ratio), out_indices=[sizes.depth]),
        **more,
    )
    return VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=17, use_simple_decoder=simple))


@torch.no_grad()
def randomize(model):
    """Set all weights and batch norm statistics to random values of a plausible size."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.empty_like(tensor).uniform_(-0.5, 0.5, generator=generator)
            if name.endswith('running_var') or (tensor.ndim == 1 and name.endswith('weight')):
                tensor.copy_(1 + noise)
            else:
                fan_in = tensor.shape[-1] if tensor.ndim == 3 else tensor[0].numel()  # our experts are stacked
                tensor.copy_(noise * (0.2 if tensor.ndim == 1 else 2 / fan_in**0.5))
    return model.eval()
