"""Where codex comes from: the indexes it is published in, or a file; fetched by this machine once for many hosts."""

from remora.adapters.codex_packages.packages import CodexPackages as CodexPackages
from remora.adapters.codex_packages.packages import TellFetch as TellFetch
