"""Where rows are kept: `rocks.py` on a disk through RocksDB, `model.py` slowly and obviously; tests/store asks both."""
