"""Layers of a plain ViT in pure torch: nothing here knows OpenMMLab."""

from .attention import Attention, WindowAttention
from .block import Block
from .expert_mlp import ExpertMlp
from .knowledge_token import KnowledgeToken
from .mlp import Mlp
from .patch_embed import PatchEmbed
from .pos_embed import fold_extra_slot, resize_pos_embed, source_grid

__all__ = [
    'Attention',
    'Block',
    'ExpertMlp',
    'KnowledgeToken',
    'Mlp',
    'PatchEmbed',
    'WindowAttention',
    'fold_extra_slot',
    'resize_pos_embed',
    'source_grid',
]
