"""The output folder of the demo."""

import shutil
from pathlib import Path

MARKER = 'demo.json'  # marks a folder that an earlier demo created and that may be replaced


def prepare_folder(out: Path) -> None:
    """Create the output folder, or empty it if an earlier demo created it.

    Raises:
        FileExistsError: `out` is a file, or a folder with anything else in it.
    """
    if out.exists() and not out.is_dir():
        raise FileExistsError(f'{out} is a file: pass a folder to --out')
    if out.is_dir() and any(out.iterdir()):
        if not (out / MARKER).is_file():
            raise FileExistsError(f'{out} is not empty and was not created by the demo: pass another folder to --out')
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).write_text('{}\n', encoding='utf-8')
