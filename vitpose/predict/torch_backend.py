"""Run a program of torch.export, or AOTInductor's machine code."""

import importlib
import json
import zipfile
from pathlib import Path

import numpy as np

from .extras import need
from .file_info import PREFIX, read_info

LARGEST = 1 << 20  # bytes of one string of metadata
EXTRA, COMPILED, METADATA = 'extra/', 'data/aotinductor/', '.wrapper_metadata.json'


class TorchNetwork:
    """A .pt2 file, on the CPU.

    Reading one can run any code: torch unpickles parts of it, and AOTInductor's is machine code.

    Args:
        file: the path.
        device: 'auto' or 'cpu'.
        trust: whether the file's author is trusted like that of a program.

    Attributes:
        device: 'cpu'.
        stored: the strings of the file's metadata, by key.

    Raises:
        ValueError: not trusted; foreign or damaged; compiled for another processor; torch is not installed or cannot
            read it; or another device.
    """

    device = 'cpu'

    def __init__(self, file: Path, device: str = 'auto', trust: bool = False):
        self.stored, compiled = read_stored(file)
        read_info(self.stored, str(file))
        if not trust:
            raise ValueError(
                f'{file}: reading a .pt2 file can run code that is in it. If you trust its author as that of a '
                'program: PosePredictor(FILE, trust=True) or `vitpose predict --trust`. Files of ONNX and OpenVINO are '
                'data'
            )
        if device not in ('auto', 'cpu'):
            raise ValueError(f"device={device!r}: .pt2 files run on the CPU here; expected 'auto' or 'cpu'")
        self._torch = need('torch', str(file))
        if compiled:
            self._check_processor(file, compiled)
        try:
            if compiled:
                self._run = self._torch._inductor.aoti_load_package(str(file))
            else:
                self._run = self._torch.export.load(str(file)).module()
        except Exception as problem:  # of any class
            reason = ' '.join(str(problem).split())[:300]
            raise ValueError(
                f'{file}: torch {self._torch.__version__} cannot read it, so it is damaged or of another version: '
                + reason
            ) from problem

    def _check_processor(self, file: Path, compiled: dict[str, str]) -> None:
        """Refuse what was compiled for other instructions: one that is missing would end the process."""
        here = importlib.import_module('torch._inductor.codecache').get_device_information('cpu')
        for key in ('AOTI_PLATFORM', 'AOTI_MACHINE', 'AOTI_CPU_ISA'):
            if compiled.get(key) != here[key]:
                raise ValueError(
                    f'{file}: compiled for {compiled.get(key)}, and this is {here[key]}: export it on such a machine, '
                    'or without --compile'
                )

    def __call__(self, inputs: np.ndarray) -> list[np.ndarray]:
        """A batch -> the outputs, in their order in the file."""
        with self._torch.inference_mode():
            found = self._run(self._torch.from_numpy(inputs))
        return [each.numpy() for each in (found if isinstance(found, list | tuple) else [found])]


def read_stored(file: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Read the strings of a .pt2 file without torch; no code in it runs.

    Returns:
        The metadata by key, and those that AOTInductor wrote; {} for a file that it did not write.

    Raises:
        ValueError: it is damaged, or no .pt2 file.
    """
    stored: dict[str, str] = {}
    compiled: dict[str, str] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                name = entry.filename.partition('/')[2]
                if name.startswith(EXTRA + PREFIX):
                    stored[name.removeprefix(EXTRA)] = _text(archive, entry)
                elif name.startswith(COMPILED) and name.endswith(METADATA):
                    compiled = {key: str(value) for key, value in json.loads(_text(archive, entry)).items()}
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, AttributeError, ValueError) as problem:
        raise ValueError(f'{file}: damaged or not a .pt2 file: {problem}') from problem
    return stored | {key: value for key, value in compiled.items() if key.startswith(PREFIX)}, compiled


def _text(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    if entry.file_size > LARGEST:
        raise ValueError(f'{entry.filename} has {entry.file_size} bytes')
    return archive.read(entry).decode()
