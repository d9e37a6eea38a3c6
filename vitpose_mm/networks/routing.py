"""Which expert each image of a batch takes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..layers.index import index_on

Datasets = Sequence[str] | int | Tensor | None


@torch.compiler.disable  # otherwise torch.compile builds one graph per list of names
def expert_indices(
    experts: Sequence[str], datasets: Sequence[str], device: torch.device | str = 'cpu', per_image: bool = False
) -> int | Tensor:
    """Return the index of the expert of each image (B,) on `device`, or one index if all images share an expert.

    `experts` are their datasets in order, `datasets` those of the images; KeyError for one without an expert. A
    compiled network would be compiled again for each single index: with `per_image` there is none.
    """
    for name in datasets:
        if name not in experts:
            raise KeyError(f'no expert for dataset {name!r}: this ViT has {", ".join(experts)}')
    indices = [experts.index(name) for name in datasets]
    return indices[0] if len(set(indices)) == 1 and not per_image else index_on(device, indices)


def expert_route(experts: Sequence[str], image: Tensor, datasets: Datasets) -> tuple[int | Tensor, ...]:
    """Return the argument that routes images (B, 3, H, W) through the FFNs with experts; without experts ().

    `datasets` as in `ViT.forward`; ValueError if they are not as many as the images, KeyError for an unknown one.
    """
    if not experts:
        return ()
    if isinstance(datasets, int):
        return (datasets,)
    # shapes, not len(): an exported graph keeps its dynamic batch
    count = datasets.shape[0] if isinstance(datasets, Tensor) else len(datasets or ())
    if datasets is None or count != image.shape[0]:
        raise ValueError(
            f'{len(image)} images with datasets={datasets}: a ViT with experts needs the dataset of each image, one '
            f"of {', '.join(experts)}; in a config, use the estimator type='MultiDatasetPoseEstimator', which passes it"
        )
    return (datasets if isinstance(datasets, Tensor) else expert_indices(experts, datasets, image.device),)
