"""Certificates for tests: an authority, and what it vouches for, made when they are needed."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OPENSSL_S: Final = 30


@dataclass(frozen=True)
class Authority:
    certificate: Path
    key: Path

    def vouch(self, name: str, host: str) -> Path:
        """A key and a certificate for an address, in one PEM file, as Java and Python read them."""
        folder = self.certificate.parent
        key, request, signed, both = (folder / f"{name}.{kind}" for kind in ("key", "csr", "crt", "pem"))
        extensions = folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName=IP:{host}\n")
        _openssl(
            "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request
        )
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", signed,
        )  # fmt: skip
        both.write_text(key.read_text() + signed.read_text())
        return both


def make_authority(folder: Path, name: str) -> Authority:
    made = Authority(folder / f"{name}.crt", folder / f"{name}.key")
    _openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-days", "2",
        "-keyout", made.key, "-out", made.certificate,
    )  # fmt: skip
    return made


def _openssl(*words: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False, timeout=OPENSSL_S)
    assert done.returncode == 0, done.stderr
