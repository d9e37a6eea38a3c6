"""Verdicts on the claims of a paper, from runs with the same seeds in every row."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONFIDENCE = 0.95
COLORS = {'agrees': '#2a8a3e', 'disagrees': '#c0392b', 'undecided': '#808080'}


@dataclass(frozen=True)
class Claim:
    """A claim: a sum of rows' scores, each times its factor, is above 0.

    Attributes:
        text: the claim in words.
        rows: factor of each row, such as {'with': 1, 'without': -1}.
        paper: the same sum of the paper's scores; None if the paper has no such rows.
    """

    text: str
    rows: Mapping[str, float]
    paper: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What the seeds say of a claim.

    Attributes:
        word: 'agrees', 'disagrees' or 'undecided'.
        seeds: seeds that every row of the claim has.
        mean: over the seeds; NaN without any.
        half: half the width of the interval around the mean; infinite with fewer than two seeds.
    """

    word: str
    seeds: int
    mean: float
    half: float


def judge(differences: Sequence[float]) -> Verdict:
    """Judge a claim by its value for each seed, paired: the scores of one seed are subtracted from each other.

    The claim agrees if the 95% interval of the mean (Student's t, from the spread over the seeds) is above 0, disagrees
    if it is below, and is undecided if it contains 0 or there are fewer than two seeds.
    """
    count = len(differences)
    if count < 2:
        return Verdict('undecided', count, differences[0] if count else math.nan, math.inf)
    from scipy.stats import t

    mean, deviation = statistics.mean(differences), statistics.stdev(differences)
    half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * deviation / math.sqrt(count)
    word = 'agrees' if mean - half > 0 else 'disagrees' if mean + half < 0 else 'undecided'
    return Verdict(word, count, mean, half)


def paired(claim: Claim, scores: Mapping[str, Mapping[int, float]]) -> list[float]:
    """The value of a claim for each seed that all its rows have.

    Args:
        claim: the claim.
        scores: by row, then by seed.
    """
    seeds = set.intersection(*(set(scores.get(row, ())) for row in claim.rows))
    return [sum(factor * scores[row][seed] for row, factor in claim.rows.items()) for seed in sorted(seeds)]


def verdict_table(judged: Sequence[tuple[Claim, Verdict]]) -> list[str]:
    """A table with one line per claim: the paper's difference, ours with its interval, and the verdict."""
    lines = ['| claim | paper | ours, paired | seeds | verdict |', '|---|---|---|---|---|']
    for claim, verdict in judged:
        half = f' ± {verdict.half:.3f}' if math.isfinite(verdict.half) else ''
        ours = '' if math.isnan(verdict.mean) else f'{verdict.mean:+.3f}{half}'
        paper = '' if claim.paper is None else f'{claim.paper:+.3f}'
        lines.append(f'| {claim.text} | {paper} | {ours} | {verdict.seeds} | {verdict.word} |')
    return lines


def draw_verdicts(judged: Sequence[tuple[Claim, Verdict]], path: Path, score: str) -> None:
    """Draw all verdicts from top to bottom: our difference with its interval, and the paper's as a diamond.

    Args:
        judged: claims and their verdicts.
        path: PNG to write.
        score: name of the score.
    """
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(11, 1.2 + 0.3 * len(judged)), dpi=110)
    for line, (claim, verdict) in enumerate(judged):
        color = COLORS[verdict.word]
        if math.isfinite(verdict.half):
            axis.errorbar(verdict.mean, line, xerr=verdict.half, fmt='o', color=color, capsize=3)
        elif not math.isnan(verdict.mean):
            axis.plot(verdict.mean, line, 'o', color=color)
        if claim.paper is not None:
            axis.plot(claim.paper, line, 'D', color='black', fillstyle='none', markersize=5)
        axis.text(1.01, line, verdict.word, transform=axis.get_yaxis_transform(), color=color, va='center')
    axis.axvline(0, color='black', linewidth=0.8)
    labels = [claim.text for claim, _ in judged]
    axis.set(yticks=range(len(judged)), yticklabels=labels, ylim=(len(judged) - 0.5, -0.5))
    axis.set_xlabel(f'difference in {score}: dot with 95% interval ours, diamond the paper')
    axis.grid(axis='x', alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
