"""Layers of a plain ViT: pure torch, nothing of OpenMMLab."""

from .attention import Attention, WindowAttention
from .block import Block
from .knowledge_token import KnowledgeToken
from .mlp import ExpertMlp, Mlp
from .patch_embed import PatchEmbed
from .pos_embed import resize_pos_embed

__all__ = ['Attention', 'Block', 'ExpertMlp', 'KnowledgeToken', 'Mlp', 'PatchEmbed', 'WindowAttention']
__all__ += ['resize_pos_embed']
