"""Mutants of the package's files, made by mutmut's operators, and a random sample of them that edits hardly change."""

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst
import libcst.matchers as m
from mutmut.mutation.file_mutation import create_mutations


@dataclass
class Mutant:
    """One change of one file: ``path`` is relative to the repository, ``code`` the whole changed file."""

    key: str
    path: str
    line: int
    before: str
    after: str
    code: str


def mutants_of(file: Path, path: str, seed: int) -> Iterator[tuple[str, libcst.Module, libcst.CSTNode, libcst.CSTNode]]:
    """Yield (key, module, node, its replacement) for each mutant.

    Texts of errors are left out, since the tests compare only parts of them. The key is a hash of the seed and of the
    change, but not of the line number: the lowest n keys are a random sample that other changes of a file leave as it is.
    """
    module, mutations, _, _ = create_mutations(path, file.read_text('utf-8'))
    messages = {id(text) for error in m.findall(module, m.Raise()) for text in m.findall(error, m.SimpleString())}
    repeats: Counter[tuple[str, str]] = Counter()
    for mutation in mutations:
        if id(mutation.original_node) in messages:
            continue
        change = module.code_for_node(mutation.original_node), module.code_for_node(mutation.mutated_node)
        repeats[change] += 1
        text = repr((seed, path, change, repeats[change]))
        yield hashlib.sha256(text.encode()).hexdigest(), module, mutation.original_node, mutation.mutated_node


def sample(root: Path, folders: list[str], number: int, seed: int) -> tuple[list[Mutant], Counter[str]]:
    """Choose ``number`` mutants of all files of ``vitpose_mm/FOLDER``; also return how many each folder has in all."""
    found, total = [], Counter()
    for folder in folders:
        for file in sorted(root.glob(f'vitpose_mm/{folder}/*.py')):
            path = str(file.relative_to(root))
            for key, *change in mutants_of(file, path, seed):
                found.append((key, path, change))
                total[folder] += 1
    found.sort(key=lambda item: item[0])
    return [describe(key[:8], path, *change) for key, path, change in found[:number]], total


def describe(key: str, path: str, module: libcst.Module, node: libcst.CSTNode, replacement: libcst.CSTNode) -> Mutant:
    """Make the changed file, and find the first changed line."""
    code = module.deep_replace(node, replacement).code  # type: ignore[union-attr]
    old, new = module.code.splitlines(), code.splitlines()
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    _, i, j, k, n = next(block for block in blocks if block[0] != 'equal')
    before, after = (' '.join(line.strip() for line in lines) for lines in (old[i:j], new[k:n]))
    return Mutant(key, path, i + 1, before, after, code)
