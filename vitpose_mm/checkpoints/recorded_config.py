"""The config that MMEngine records in a checkpoint, read as data: no code runs."""

import ast
from typing import Any


class _DictCalls(ast.NodeTransformer):
    """Turn dict(a=1) into {'a': 1}."""

    def visit_Call(self, node: ast.Call) -> ast.AST:  # noqa: D102, N802
        self.generic_visit(node)
        if ast.unparse(node.func) != 'dict' or node.args:
            return node
        return ast.Dict(
            [ast.Constant(key.arg) if key.arg else None for key in node.keywords], [key.value for key in node.keywords]
        )


def read_recorded_config(meta: dict[str, Any]) -> dict[str, Any]:
    """Read the assignments of literals in a file's `cfg`; {} without one, or if it is not MMEngine's text."""
    try:
        body = ast.parse(meta['cfg']).body
        return {line.targets[0].id: ast.literal_eval(_DictCalls().visit(line.value)) for line in body}  # type: ignore[attr-defined]
    except (KeyError, TypeError, ValueError, SyntaxError, AttributeError, RecursionError, MemoryError):
        return {}
