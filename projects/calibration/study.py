"""How far scores can be trusted: maxima of heatmaps, their isotonic map, and a trained confidence.

    vitpose synth --out RENDERS/coco --train 300 --val 120
    vitpose synth --out RENDERS/ap10k --train 0 --val 120 --kind ap10k
    python projects/calibration/study.py --photographs FOLDER --renders RENDERS --cache FOLDER

`--photographs` is the folder that projects/real_people/photographs.py wrote. The model is the teacher of
projects/real_people. What it predicts is kept in `--cache`. Writes results/study.json, reliability_lsp.svg and
reliability_coco.svg beside this file.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.calibration.samples import Sample, render_samples, varied_samples
from projects.real_people.evaluate import SIGMAS, coco_scores
from projects.real_people.photographs import read
from projects.studies.timing import alternate
from vitpose.own_data.calibrating import draw_reliability
from vitpose.predict.calibration.fitting import (
    Judged,
    calibration_error,
    choose_held_out,
    compare_labels,
    fit_confidence,
    fit_peak_map,
    score,
)
from vitpose.predict.models.network_model import NetworkModel
from vitpose.predict.scoring import Scoring
from vitpose.runs.table import machine
from vitpose_base.files import write_text
from vitpose_mm.evaluators.extended_oks import extended_oks
from vitpose_mm.networks.heatmaps.confidence import Confidence, confidence_inputs

HERE = Path(__file__).resolve().parent
TEACHER = HERE.parent / 'real_people/weights/teacher.safetensors'
SEEDS = (0, 1, 2)
FALSE_SHARE = 0.3  # of detector-like boxes
FALSE_POSITIVES = 0.1  # of background boxes
BATCH, ROUNDS = 16, 15
DRAWN = 0.3  # maximum from which a keypoint is drawn by default


def sample_sets(photographs: Path, renders: Path) -> dict[str, list[Sample]]:
    """The boxes to fit and to test with, by name."""
    images, coco = photographs / 'images', renders / 'coco'
    fit = varied_samples(photographs / 'choose.json', images, 0, 2)
    return {
        'fit': [sample for sample in fit if '/coco_people/' not in sample[1].image],
        'fit on renders': varied_samples(coco / 'annotations/train.json', coco / 'train', 0, 2),
        'lsp': varied_samples(photographs / 'lsp_test.json', images, 1, 1, dict(jittered=500, background=300)),
        'coco': varied_samples(photographs / 'coco_test.json', images, 2, 3, dict(background=150)),
        'renders': render_samples(renders / 'coco', 100),
        'animals': render_samples(renders / 'ap10k', 100),
    }


def predict(model: NetworkModel, samples: list[Sample], cache: Path) -> Judged:
    """What the model says about boxes; heatmaps, features and keypoints are kept in a file."""
    import cv2

    boxes, names = [box for _, box in samples], ('heatmaps', 'features', 'points')
    if not cache.is_file():
        parts, rule = [], model.crop_rule
        model.network.has_features = True
        for start in range(0, len(boxes), BATCH):
            batch = boxes[start : start + BATCH]
            regions = rule.regions(np.array([box.box for box in batch], np.float32))
            heatmaps, features = model.run(rule.crop_each((cv2.imread(box.image) for box in batch), *regions))
            points = rule.to_image(model.peaks(heatmaps)[0].numpy(), *regions)
            parts.append((heatmaps.half(), features.half(), torch.from_numpy(points)))
        cache.parent.mkdir(parents=True, exist_ok=True)
        torch.save(dict(zip(names, map(torch.cat, zip(*parts, strict=True)), strict=True)), cache)
    kept, parts = torch.load(cache), []
    for start in range(0, len(boxes), BATCH):
        heatmaps, features, points = (kept[name][start : start + BATCH] for name in names)
        peaks = model.codec.locate(heatmaps.float())
        known = compare_labels(points.numpy(), boxes[start : start + BATCH], SIGMAS, model.crop_rule)
        keypoints, people = confidence_inputs(model.codec, heatmaps, features, peaks)
        parts.append(Judged(keypoints.half(), people, peaks[1], *known))
    return Judged(*map(torch.cat, zip(*parts, strict=True)))


def auroc(scores: np.ndarray, is_good: np.ndarray) -> float:
    """The share of pairs of a good and a bad one in which the good one has the higher score; ties count half."""
    ordered, bad = np.sort(scores[~is_good]), int((~is_good).sum())
    below = (np.searchsorted(ordered, scores[is_good], side) for side in ('left', 'right'))
    return float(sum(each.sum() for each in below) / 2 / (is_good.sum() * bad))


def judge(module: Any, judged: Judged) -> tuple[np.ndarray, np.ndarray]:
    """Scores of keypoints (N, K) and of people (N,); None stands for the maxima."""
    if module is None:
        peaks = judged.peaks.numpy()
        return peaks, Scoring().scores(np.ones(len(peaks)), peaks)
    scores = score(module, judged)
    return scores.probabilities.numpy(), scores.expected_oks.numpy()


def measure_keypoints(module: Any, judged: Judged, rows: np.ndarray) -> dict[str, Any]:
    """Calibration error and AUROC of the labeled keypoints of some boxes."""
    part = judged.pick(torch.from_numpy(np.flatnonzero(rows)))
    scores, right = judge(module, part)[0][part.labeled.numpy()], part.right[part.labeled].numpy()
    error, bins = calibration_error(scores.clip(0, 1).astype(float), right)
    return dict(ECE=error, AUROC=auroc(scores, right), right=float(right.mean()), score=float(scores.mean()), bins=bins)


def precision(
    module: Any,
    judged: Judged,
    points: np.ndarray,
    samples: list[Sample],
    content: dict[str, Any],
    kind: str,
    seed: int,
) -> float:
    """AP with true boxes; or with jittered ones, to which boxes without people are added."""
    rng, scores = np.random.default_rng(seed), judge(module, judged)[1]
    rows = [i for i, (_, box) in enumerate(samples) if box.kind == kind]
    ids = [samples[i][0] for i in rows]
    if kind == 'jittered':
        others = [i for i, (_, box) in enumerate(samples) if box.kind == 'background']
        chosen = rng.choice(others, round(len(rows) * FALSE_SHARE / (1 - FALSE_SHARE)), replace=False)
        rows, ids = [*rows, *chosen], [*ids, *rng.choice(sorted(set(ids)), len(chosen)).tolist()]
    results = []
    for i, number in zip(rows, ids, strict=True):
        flat = np.c_[points[i], np.ones(len(points[i]))].ravel().tolist()
        results.append(dict(image_id=int(number), category_id=1, keypoints=flat, score=float(scores[i])))
    images = [image for image in content['images'] if image['id'] in set(ids)]
    known = {image['id'] for image in images}
    people = [person for person in content['annotations'] if person['image_id'] in known]
    return coco_scores(dict(content, images=images, annotations=people), results)[0]


def measure_cost(model: NetworkModel, module: Confidence) -> dict[str, float]:
    """Processor time of decoding with the confidence and with covariances, beyond the maxima, by the network's."""
    crops = np.random.default_rng(0).integers(0, 255, (BATCH, *model.crop_rule.input_size[::-1], 3)).astype(np.uint8)
    model.network.has_features = True
    heatmaps, features = model.run(crops)
    peaks = model.peaks(heatmaps)
    calls = dict(
        network=lambda: model.run(crops),
        confidence=lambda: module(model.codec, heatmaps, features, peaks),
        covariance=lambda: model.codec.covariances(heatmaps, peaks[0]),
    )
    with torch.inference_mode():
        times = alternate(calls, ROUNDS, warm_up=0, clock=time.process_time)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    return {name: medians[name] / medians['network'] for name in ('confidence', 'covariance')}


def measure(
    module: Any, sets: dict[str, list[Sample]], known: dict[str, Judged], places: Any, seed: int
) -> dict[str, Any]:
    """All figures of one kind of scores."""
    kinds = {name: np.array([box.kind for _, box in samples]) for name, samples in sets.items()}
    people, figures = {}, dict[str, Any]()
    for name in ('lsp', 'coco'):
        points, content = places[name]
        figures[name] = measure_keypoints(module, known[name], kinds[name] == 'true')
        for kind in ('true', 'jittered'):
            ap = precision(module, known[name], points, sets[name], content, kind, seed)
            figures[name][f'AP, {kind}'] = ap
        figures[name]['AUROC, all boxes'] = measure_keypoints(module, known[name], kinds[name] != '')['AUROC']
        jittered = known[name].pick(torch.from_numpy(np.flatnonzero(kinds[name] == 'jittered')))
        presence = judge(None, jittered)[0] if module is None else score(module, jittered).presence.numpy()
        similar, present = jittered.similar.numpy(), jittered.present.numpy()
        threshold = DRAWN if module is None else 0.5
        figures[name]['extended OKS'] = float(extended_oks(similar, present, presence, threshold=threshold).mean())
        figures[name]['AUROC, presence'] = auroc(presence.ravel(), present.ravel())
        scores = judge(module, known[name])[1]
        people[name], background = scores[kinds[name] == 'true'], scores[kinds[name] == 'background']
        threshold = np.quantile(background, 1 - FALSE_POSITIVES)
        figures[name]['people lost'] = float((people[name] <= threshold).mean())
        figures[name]['AUROC, background'] = _separate(people[name], background)
    for name in ('renders', 'animals'):
        others = judge(module, known[name])[1]
        figures[name] = {'AUROC, domain': _separate(people['lsp'], others), 'mean score': float(others.mean())}
    return figures


def _separate(people: np.ndarray, others: np.ndarray) -> float:
    return auroc(np.r_[people, others], np.r_[np.ones(len(people), bool), np.zeros(len(others), bool)])


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--photographs', type=Path, required=True, help='folder that photographs.py wrote')
    parser.add_argument('--renders', type=Path, required=True, help='folder of the renders')
    parser.add_argument('--cache', type=Path, required=True, help='folder for what the model predicts')
    args = parser.parse_args()
    model = NetworkModel(TEACHER, 'cpu', dataset='coco')
    sets = sample_sets(args.photographs, args.renders)
    known = {name: predict(model, samples, args.cache / f'{name}.pt') for name, samples in sets.items()}
    places = {
        name: (torch.load(args.cache / f'{name}.pt')['points'].numpy(), read(args.photographs / f'{name}_test.json'))
        for name in ('lsp', 'coco')
    }
    table: dict[str, list[Any]] = {}
    for fitted, ending in (('fit', ''), ('fit on renders', ', fitted on renders')):
        is_person = np.array([box.kind != 'background' for _, box in sets[fitted]])
        held_out = choose_held_out([box.image for _, box in sets[fitted]])
        isotonic = fit_peak_map(known[fitted].pick(torch.from_numpy(np.flatnonzero(is_person))))
        for seed in SEEDS:
            trained = fit_confidence(known[fitted], held_out, seed)
            modules = {} if ending else {'peak': None}
            modules |= {f'isotonic{ending}': isotonic, f'confidence{ending}': trained}
            for name, module in modules.items():
                figures = measure(module, sets, known, places, seed)
                table.setdefault(name, []).append(figures)
                shown = {k: {a: b for a, b in v.items() if a != 'bins'} for k, v in figures.items()}
                print(seed, name, json.dumps(shown))
    for name in ('lsp', 'coco'):
        curves = {kind: [tuple(row) for row in runs[0][name].pop('bins')] for kind, runs in table.items()}
        write_text(HERE / f'reliability_{name}.svg', draw_reliability(curves))
        for runs in table.values():
            for run in runs[1:]:
                run[name].pop('bins')
    counts = {
        name: {kind: sum(box.kind == kind for _, box in samples) for kind in ('true', 'jittered', 'background')}
        for name, samples in sets.items()
    }
    content = dict(scores=table, cost=measure_cost(model, trained), boxes=counts, seeds=SEEDS, machine=machine())
    write_text(HERE / 'results/study.json', json.dumps(content, indent=1) + '\n')


if __name__ == '__main__':
    main()
