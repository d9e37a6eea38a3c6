"""Write the files that the package ships from a finished training: `tiny`, and the teacher's weights.

    python projects/real_people/ship.py --run work_dirs/real_people --weights FOLDER

`--run` is the `--out` of study.py, and `--weights` the folder of MoveNet. Writes `tiny.safetensors` (fp16) and
`tiny.onnx` (weights in int8) into vitpose/models, with `--teacher STAGE` also the teacher's weights in fp16 into
projects/real_people/weights, and the scores of all of them, next to the checkpoints they come from, into
results/shipped.json, where those of other models stay.
"""

import argparse
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.real_people.evaluate import evaluate, open_model
from projects.real_people.photographs import MoveNet
from projects.real_people.study import HERE, TINY, last_checkpoint
from vitpose.cli.main import main as vitpose
from vitpose.models.names import model_file
from vitpose_mm.checkpoints.conversion import make_metadata, write_safetensors
from vitpose_mm.checkpoints.model_parts import split_parts
from vitpose_mm.checkpoints.safe_load import load_checkpoint

MODELS = model_file(TINY).parent


def write_half(checkpoint: str | Path, out: Path) -> None:
    """Write a checkpoint's weights in fp16, with our names, as a safetensors file."""
    loaded = load_checkpoint(Path(checkpoint))
    meta = make_metadata(split_parts(loaded.weights, loaded.meta))
    weights = {name: value.half() if value.is_floating_point() else value for name, value in loaded.weights.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_safetensors(out, weights, meta | {'dataset': meta['dataset'] or 'coco'})


def run(*words: str | Path) -> None:
    """Run a command of `vitpose`; RuntimeError if it fails."""
    if code := vitpose(list(map(str, words))):
        raise RuntimeError(f'vitpose {" ".join(map(str, words))}: exit code {code}')


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--run', type=Path, default=Path('work_dirs/real_people'), help='the --out of study.py')
    parser.add_argument('--tiny', default='tiny_longer', help='the stage of tiny (default tiny_longer)')
    parser.add_argument('--teacher', help='the stage of the teacher, such as full_size (default: not written)')
    parser.add_argument('--weights', type=Path, required=True, help='folder of MoveNet')
    parser.add_argument('--files', nargs='+', default=['lsp_test', 'coco_test'], help='annotation files to score')
    args = parser.parse_args()
    models = {}
    written = {args.tiny: MODELS / 'tiny.safetensors'}
    written |= {args.teacher: HERE / 'weights/teacher.safetensors'} if args.teacher else {}
    for stage, out in written.items():
        config, checkpoint = args.run / stage / 'run.py', last_checkpoint(args.run / stage)
        if checkpoint is None:
            parser.error(f'--run {args.run}: the stage {stage} has no checkpoint; study.py trains it')
        write_half(checkpoint, out)
        models |= {f'{stage}, trained': f'{config},{checkpoint}', f'{stage}, fp16': f'{config},{out}'}
    config = args.run / args.tiny / 'run.py'
    shipped = MODELS / 'tiny.onnx'
    # compared with torch on people of LSP, who fill their photographs
    images = args.run / 'photographs/images/lsp/*0.jpg'
    options = ('--to', 'onnx', '--precision', 'int8', '--overwrite', '--images', images)
    run('export', config, MODELS / 'tiny.safetensors', '--out', shipped, *options)
    models['tiny.onnx'] = str(shipped)
    contestants = {name: open_model(files) for name, files in models.items()}
    contestants['MoveNet Thunder'] = MoveNet(args.weights).predict
    evaluate(contestants, args.run / 'photographs', args.files, HERE / 'results/shipped.json')


if __name__ == '__main__':
    main()
