"""Draw a learning curve."""

from pathlib import Path

from ..runs.training_log import Curve


def draw_learning_curve(curve: Curve, path: Path) -> None:
    """Draw loss (left axis, logarithmic) and held-out AP (right axis) against training time, as a PNG file."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, loss_axis = pyplot.subplots(figsize=(8, 4.5), dpi=120)
    loss_axis.plot(*zip(*curve.loss, strict=True), color='tab:blue', linewidth=1.5)
    loss_axis.set(xlabel='training time (minutes)', yscale='log', title=f'{curve.iterations} iterations')
    loss_axis.set_ylabel('loss (training)', color='tab:blue')
    loss_axis.grid(alpha=0.3)
    score_axis = loss_axis.twinx()
    if curve.score:
        score_axis.plot(*zip(*curve.score, strict=True), 'o-', color='tab:orange')
    for point in curve.score:
        score_axis.annotate(f'{point[1]:.2f}', point, (0, 7), textcoords='offset points', ha='center', fontsize=8)
    score_axis.set_ylim(0, 1)
    score_axis.set_ylabel('COCO AP (held-out)', color='tab:orange')
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
