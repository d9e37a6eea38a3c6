"""Draw a learning curve."""

from pathlib import Path

from ..runs.training_log import Curve


def draw_learning_curve(curve: Curve, path: Path) -> None:
    """Draw loss (left axis, logarithmic) and held-out AP (right axis) against training time, as a PNG file."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, loss_axis = pyplot.subplots(figsize=(8, 4.5), dpi=120)
    score_axis = loss_axis.twinx()
    loss_axis.plot(*zip(*curve.loss, strict=True), color='tab:blue', linewidth=1.5)
    loss_axis.set(xlabel='training time (minutes)', yscale='log')
    loss_axis.set_ylabel('loss (training)', color='tab:blue')
    loss_axis.grid(alpha=0.3)
    if curve.score:
        score_axis.plot(*zip(*curve.score, strict=True), 'o-', color='tab:orange')
        for minutes, score in curve.score:
            score_axis.annotate(
                f'{score:.2f}', (minutes, score), (0, 7), textcoords='offset points', ha='center', fontsize=8
            )
    score_axis.set_ylim(0, 1)
    score_axis.set_ylabel('COCO AP (held-out)', color='tab:orange')
    loss_axis.set_title(f'{curve.iterations} iterations')
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
