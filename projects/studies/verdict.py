"""Verdicts on the claims of a paper, from runs with the same seeds in every row."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONFIDENCE = 0.95
EQUAL = 0.005  # largest difference that counts as none
POWER = 0.8  # chance of finding a difference that is there
MAX_SEEDS = 1000
COLORS = {'agrees': '#2a8a3e', 'disagrees': '#c0392b', 'equal': '#2c6fbb', 'undecided': '#808080'}


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
        word: 'agrees', 'disagrees', 'equal' or 'undecided'.
        seeds: seeds that every row of the claim has.
        mean: over the seeds; NaN without any.
        half: half the width of the interval around the mean; infinite with fewer than two seeds.
        needed: if undecided, the seeds that would find the paper's difference; None with fewer than two seeds.
    """

    word: str
    seeds: int
    mean: float
    half: float
    needed: int | None = None


def judge(differences: Sequence[float], paper: float | None = None) -> Verdict:
    """Judge a claim by its value for each seed, paired: the scores of one seed are subtracted from each other.

    The claim agrees if the 95% interval of the mean (Student's t, from the spread over the seeds) is above 0, and
    disagrees if it is below. Else it is equal if two one-sided tests at 5% each find the mean above -EQUAL and below
    EQUAL, which is so if the 90% interval lies between them. Else, and with fewer than two seeds, it is undecided.
    `paper` is the difference that tells how many seeds an undecided claim needs.
    """
    count = len(differences)
    if count < 2:
        return Verdict('undecided', count, differences[0] if count else math.nan, math.inf)
    from scipy.stats import t

    mean, deviation = statistics.mean(differences), statistics.stdev(differences)
    error = deviation / math.sqrt(count)
    half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    if mean - half > 0 or mean + half < 0:
        return Verdict('agrees' if mean > 0 else 'disagrees', count, mean, half)
    if abs(mean) + float(t.ppf(CONFIDENCE, count - 1)) * error < EQUAL:
        return Verdict('equal', count, mean, half)
    return Verdict('undecided', count, mean, half, seeds_needed(deviation, max(abs(paper or 0), EQUAL)))


def seeds_needed(deviation: float, difference: float) -> int:
    """The least number of seeds, up to MAX_SEEDS, with which a paired t-test finds a difference with 80% power at 5%.

    `deviation` is the standard deviation of the differences over the seeds; the difference is not 0.
    """
    from scipy.stats import nct, t

    for seeds in range(2, MAX_SEEDS):
        limit, shift = t.ppf((1 + CONFIDENCE) / 2, seeds - 1), difference / deviation * math.sqrt(seeds)
        if nct.sf(limit, seeds - 1, shift) + nct.cdf(-limit, seeds - 1, shift) >= POWER:
            return seeds
    return MAX_SEEDS


def paired(claim: Claim, scores: Mapping[str, Mapping[int, float]]) -> list[float]:
    """The value of a claim for each seed that all its rows have; the scores are by row, then by seed."""
    seeds = set.intersection(*(set(scores.get(row, ())) for row in claim.rows))
    return [sum(factor * scores[row][seed] for row, factor in claim.rows.items()) for seed in sorted(seeds)]


def verdict_table(judged: Sequence[tuple[Claim, Verdict]]) -> list[str]:
    """A table with one line per claim: the paper's difference, ours with its interval, and the verdict."""
    lines = ['| claim | paper | ours, paired | seeds | verdict |', '|---|---|---|---|---|']
    for claim, verdict in judged:
        half = f' ± {verdict.half:.3f}' if math.isfinite(verdict.half) else ''
        ours = '' if math.isnan(verdict.mean) else f'{verdict.mean:+.3f}{half}'
        paper = '' if claim.paper is None else f'{claim.paper:+.3f}'
        word = verdict.word + (f', needs {verdict.needed} seeds' if verdict.needed else '')
        lines.append(f'| {claim.text} | {paper} | {ours} | {verdict.seeds} | {word} |')
    return lines


def draw_verdicts(
    judged: Sequence[tuple[Claim, Verdict]],
    path: Path,
    score: str,
    means: Sequence[Mapping[str, tuple[float, float | None]]],
) -> None:
    """Draw all claims from top to bottom: the scores of their rows, then the difference with its interval.

    Args:
        judged: claims and their verdicts.
        path: PNG to write.
        score: name of the score.
        means: of each claim, by row: our mean score, and the paper's, which are diamonds.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 1.2 + 0.3 * len(judged)), dpi=100)
    absolute, axis = figure.subplots(1, 2, sharey=True)
    for line, ((claim, verdict), rows) in enumerate(zip(judged, means, strict=True)):
        color = COLORS[verdict.word]
        for row, (ours, papers) in rows.items():
            fill = 'full' if claim.rows[row] > 0 else 'none'
            absolute.plot(ours, line, 'o', color=color, fillstyle=fill)
            if papers is not None:
                absolute.plot(papers, line, 'D', color='black', fillstyle=fill, markersize=5)
        if math.isfinite(verdict.half):
            axis.errorbar(verdict.mean, line, xerr=verdict.half, fmt='o', color=color, capsize=3)
        elif not math.isnan(verdict.mean):
            axis.plot(verdict.mean, line, 'o', color=color)
        if claim.paper is not None:
            axis.plot(claim.paper, line, 'D', color='black', fillstyle='none', markersize=5)
        axis.text(1.01, line, verdict.word, transform=axis.get_yaxis_transform(), color=color, va='center')
    axis.axvline(0, color='black', linewidth=0.8)
    labels = [claim.text for claim, _ in judged]
    absolute.set(yticks=range(len(judged)), yticklabels=labels, ylim=(len(judged) - 0.5, -0.5))
    absolute.set_xlabel(f'{score}: dots ours, diamonds the paper; filled rows count positive')
    axis.set_xlabel(f'difference in {score}: dot with 95% interval ours, diamond the paper')
    for each in (absolute, axis):
        each.grid(axis='x', alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)
