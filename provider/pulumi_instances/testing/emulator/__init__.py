"""An emulator of the Instances API over HTTP, for tests and for trying things out. Needs the extra ``[testing]``."""

from .emulator import Emulator
from .faults import Fault
from .request_log import Request
from .store import Account

__all__ = ["Account", "Emulator", "Fault", "Request"]
