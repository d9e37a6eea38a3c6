"""Which packages are installed, and their versions."""

from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from importlib.util import find_spec


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the version of each distribution that is installed, in the order of the names; nothing is imported."""
    versions = {}
    for name in dict.fromkeys(names):
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def missing_packages(names: tuple[str, ...] = ('torch', 'mmengine', 'mmcv', 'mmpose')) -> list[str]:
    """Return which of the packages, by default those that the plugin registers with, are not installed here."""
    return [name for name in names if find_spec(name) is None]
