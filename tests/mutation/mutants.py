"""Mutants of the package's files, made by mutmut's operators, and a random sample of them that edits hardly change."""

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import libcst
import libcst.matchers as m
from libcst.metadata import PositionProvider
from mutmut.mutation.file_mutation import create_mutations


@dataclass
class Mutant:
    """One change of one file.

    Attributes:
        path: of the file in the repository.
        lines: of the function that it changes; empty outside of functions.
    """

    key: str
    path: str
    lines: range
    module: libcst.Module
    node: libcst.CSTNode
    replacement: libcst.CSTNode

    @cached_property
    def code(self) -> str:
        """The whole changed file."""
        return self.module.deep_replace(self.node, self.replacement).code  # type: ignore[union-attr]

    @cached_property
    def change(self) -> tuple[int, str, str]:
        """Number of the first changed line; the changed lines before and after."""
        old, new = self.module.code.splitlines(), self.code.splitlines()
        blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        _, i, j, k, n = next(block for block in blocks if block[0] != 'equal')
        before, after = (' '.join(line.strip() for line in lines) for lines in (old[i:j], new[k:n]))
        return i + 1, before, after


def mutants_of(file: Path, path: str, seed: int) -> Iterator[Mutant]:
    """Yield all mutants of a file.

    Texts of errors are left out, since the tests compare only parts of them. The key is a hash of the seed and of the
    change, but not of the line number: the lowest n keys are a random sample that edits elsewhere leave as it is.
    """
    module, mutations, _, _ = create_mutations(path, file.read_text('utf-8'))
    messages = {id(text) for error in m.findall(module, m.Raise()) for text in m.findall(error, m.SimpleString())}
    positions = libcst.MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    repeats: Counter[tuple[str, str]] = Counter()
    for mutation in mutations:
        if id(mutation.original_node) in messages:
            continue
        change = module.code_for_node(mutation.original_node), module.code_for_node(mutation.mutated_node)
        repeats[change] += 1
        key = hashlib.sha256(repr((seed, path, change, repeats[change])).encode()).hexdigest()[:8]
        function, lines = mutation.contained_by_top_level_function, range(0)
        if isinstance(function, libcst.FunctionDef):
            lines = range(positions[function].start.line, positions[function].end.line + 1)
        yield Mutant(key, path, lines, module, mutation.original_node, mutation.mutated_node)


def sample(root: Path, folders: list[str], number: int, seed: int) -> tuple[list[Mutant], Counter[str]]:
    """Choose ``number`` mutants of all files of ``vitpose_mm/FOLDER``; also return how many each folder has in all."""
    files = {folder: sorted(root.glob(f'vitpose_mm/{folder}/*.py')) for folder in folders}
    found, total = [], Counter[str]()
    for folder, paths in files.items():
        for file in paths:
            mutants = list(mutants_of(file, str(file.relative_to(root)), seed))
            total[folder] += len(mutants)
            found += mutants
    return sorted(found, key=lambda mutant: mutant.key)[:number], total
