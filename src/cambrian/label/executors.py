"""Where tasks run instead of processes on this machine: executors of clusters, by a short name or by module and class.

The clusters are reached through executorlib (J. Janssen et al., J. Open Source Softw. 10, 7782 (2025)).
"""

import importlib
from concurrent.futures import Executor
from pathlib import Path

from cambrian.contracts.catalogue import nearest
from cambrian.errors import MissingExtraError, UserError

EXECUTORLIB = {
    "slurm": "SlurmClusterExecutor",  # each structure is a job of its own
    "slurm_job": "SlurmJobExecutor",  # within one job, over its nodes
    "flux": "FluxClusterExecutor",
    "flux_job": "FluxJobExecutor",
    "node": "SingleNodeExecutor",
}


def executor_of(name: str, *, workers: int | None, resources: dict, folder: Path) -> Executor:
    """An executor by name: one of EXECUTORLIB, or `module:Class` of any other that is called with `max_workers`.

    resources: what executorlib asks the queue for, such as cores, partition, run_time_max (s).
    folder: where executorlib keeps its files.
    Raises UserError for a name that is none, and for resources the executor does not take; MissingExtraError.
    """
    module, colon, cls = name.partition(":")
    if colon:
        return _made(name, _class(module, cls), {"max_workers": workers, **resources})
    if name not in EXECUTORLIB:
        known = ", ".join(EXECUTORLIB)
        raise UserError(f"there is no executor '{name}'{nearest(name, EXECUTORLIB)}; take {known}, or module:Class")
    try:
        library = importlib.import_module("executorlib")
        if name in ("slurm", "flux"):
            importlib.import_module("pysqa")
    except ImportError as error:
        raise MissingExtraError.of(error.name or "executorlib", "cluster") from None
    folder.mkdir(parents=True, exist_ok=True)
    given = {"max_workers": workers, "cache_directory": str(folder.absolute()), "resource_dict": resources}
    return _made(name, getattr(library, EXECUTORLIB[name]), given)


def _class(module: str, name: str) -> type:
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"there is no executor {module}:{name} ({error})") from None


def _made(name: str, cls: type, arguments: dict) -> Executor:
    try:
        return cls(**arguments)
    except Exception as error:  # each library refuses in its own way
        raise UserError(f"the executor {name} cannot be made ({type(error).__name__}): {error}") from error
