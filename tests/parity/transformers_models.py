"""ViTPose of the transformers package in our sizes."""

from vitpose_mm.backbones.vit_sizes import SIZES


def build_vitpose(size: str, simple: bool = False, **more):
    """Return transformers' model for 17 keypoints with random weights."""
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    fields = SIZES[size]
    backbone = VitPoseBackboneConfig(
        image_size=(256, 192),
        hidden_size=fields.embed_dim,
        num_hidden_layers=fields.depth,
        num_attention_heads=fields.num_heads,
        mlp_ratio=int(fields.mlp_ratio),
        out_indices=[fields.depth],
        **more,
    )
    return VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=17, use_simple_decoder=simple))
