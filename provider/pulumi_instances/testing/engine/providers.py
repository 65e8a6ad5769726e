"""The provider resources of an operation and the processes behind them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

from .decide import DiffResult
from .plugins import ProviderError, ProviderProcess
from .state import UNKNOWN_ID, ResourceState, split_reference
from .values import Properties, contains, equal, is_unknown

UNCONFIGURED = "unconfigured"


class Providers:
    """Starts, configures and ends the provider processes of one operation.

    Thread-safe. A process is started when its resource is checked, and configured when it is created,
    updated or found unchanged; one is started ahead, since nearly every operation needs one.
    """

    def __init__(self, spawn: Callable[[], ProviderProcess], *, dry_run: bool) -> None:
        """`spawn` starts a process; the first is started at once."""
        self._spawn = spawn
        self.dry_run = dry_run
        self._lock = threading.RLock()
        self._spare: ProviderProcess | None = spawn()
        self._all = [self._spare]
        self._by_reference: dict[tuple[str, str], ProviderProcess] = {}

    def get(self, reference: str) -> ProviderProcess:
        """The configured provider that a resource refers to. Raises ProviderError when there is none."""
        with self._lock:
            try:
                return self._by_reference[split_reference(reference)]
            except KeyError:
                raise ProviderError(f"unknown provider '{reference}'") from None

    def has(self, reference: str) -> bool:
        """Whether the provider is there, configured."""
        with self._lock:
            return split_reference(reference) in self._by_reference

    def check(self, urn: str) -> None:
        """Load a provider that is being registered; a Python provider accepts any configuration."""
        with self._lock:
            self._by_reference[urn, UNCONFIGURED] = self._start()

    def diff(self, old: ResourceState, inputs: Properties) -> DiffResult:
        """Compare configurations: a change never replaces, the provider has no say on it."""
        return DiffResult(changes=not equal(old.outputs, inputs))

    def create(self, urn: str, config: Properties) -> str:
        """Configure a new provider. Returns its id, made up by the engine."""
        id_ = UNKNOWN_ID if self.dry_run else str(uuid.uuid4())
        self.configure(urn, id_, config)
        return id_

    def configure(self, urn: str, id_: str, config: Properties) -> None:
        """Configure a provider under its id, if it is not already."""
        with self._lock:
            process = self._by_reference.pop((urn, UNCONFIGURED), None) or self._start()
            self._by_reference[urn, id_] = process
        process.config_known = not contains(config, is_unknown)
        if process.config_known:
            process.configure(config)

    def same(self, urn: str, id_: str, config: Properties) -> None:
        """Configure a provider as it was, unless that was done."""
        with self._lock:
            if (urn, id_) not in self._by_reference:
                self.configure(urn, id_, config)

    def rename(self, old_urn: str, new_urn: str, id_: str) -> None:
        """Let resources that still refer to a provider by its old URN find it."""
        with self._lock:
            if (new_urn, id_) in self._by_reference:
                self._by_reference.setdefault((old_urn, id_), self._by_reference[new_urn, id_])

    def _start(self) -> ProviderProcess:
        process, self._spare = self._spare, None
        if process is None:
            process = self._spawn()
            self._all.append(process)
        return process

    def close(self) -> None:
        """End all processes, at once."""
        closers = [threading.Thread(target=process.close) for process in self._all]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join()
