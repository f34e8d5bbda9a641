"""Ten minutes of load: whether memory stays flat. `make bench NAME=soak`; without a name it is left out."""

from typing import Final

from bench.engine_bank import ACCOUNTS
from bench.engine_folder import CACHE, data_folder, file_system
from bench.engine_memory import steady_load
from bench.harness import report

SECONDS: Final = 600
LOG_BYTES: Final = 20 << 30


def main() -> None:
    with data_folder(LOG_BYTES) as folder:
        found = steady_load(folder / "data", SECONDS)
    report("soak", {"accounts": ACCOUNTS, "durability": "fsync", "file system": file_system(CACHE)}, found)


if __name__ == "__main__":
    main()
