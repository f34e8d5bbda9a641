"""Who we are to a cluster, and how we know that it is the right one: SASL and TLS, with defaults that tell nobody else.

A user's name alone means SASL within TLS; to send it over an open line, one has to ask for that by name.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mmsb.schemas.errors import EnvironmentFailed, InvalidValue

PLAINTEXT: Final = "PLAINTEXT"
PROTOCOLS: Final = (PLAINTEXT, "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS: Final = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
ENVIRONMENT: Final = {
    "protocol": "MMSB_KAFKA_PROTOCOL",
    "mechanism": "MMSB_KAFKA_MECHANISM",
    "user": "MMSB_KAFKA_USER",
    "password": "MMSB_KAFKA_PASSWORD",
    "authorities": "MMSB_KAFKA_CA",
    "certificate": "MMSB_KAFKA_CERTIFICATE",
    "key": "MMSB_KAFKA_KEY",
}
"""The variables that commands take each field from."""

PASSWORD_FILE: Final = "MMSB_KAFKA_PASSWORD_FILE"
"""The one that names a file with the password: what a supervisor hands over, and no environment shows."""


@dataclass(frozen=True, slots=True)
class Security:
    """Who we are to a cluster of Kafka, and whom we take for its brokers.

    A user's name alone means SASL within TLS. Nothing goes over an open line unless that is asked for by name.
    """

    protocol: str | None = None
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL: SASL is for users, SSL is TLS.

    By default SASL_SSL if there is a user, SSL if there are files for TLS, else PLAINTEXT.
    """

    mechanism: str | None = None
    """SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN; by default the first of them. Only PLAIN sends the password."""

    user: str | None = None
    """As the brokers know it."""

    password: str | None = field(default=None, repr=False)
    """It is in no log and in no error."""

    authorities: Path | None = None
    """A file of certificates, in PEM, of those who vouch for the brokers; by default those that the system trusts."""

    certificate: Path | None = None
    """Our own certificate, in PEM, for brokers that ask for one."""

    key: Path | None = None
    """Its key, if that is not in the same file."""

    def __post_init__(self) -> None:
        if self.protocol is None:
            object.__setattr__(self, "protocol", self._safe_protocol())
        if self.is_sasl and self.mechanism is None:
            object.__setattr__(self, "mechanism", MECHANISMS[0])
        self._check()

    @property
    def is_sasl(self) -> bool:
        return self.protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    @property
    def is_tls(self) -> bool:
        return self.protocol in ("SSL", "SASL_SSL")

    def _safe_protocol(self) -> str:
        if self.user is not None:
            return "SASL_SSL"
        return "SSL" if self._has_files() else PLAINTEXT

    def _has_files(self) -> bool:
        return any(path is not None for path in (self.authorities, self.certificate, self.key))

    def _check(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise InvalidValue(f"security protocol: expected one of {', '.join(PROTOCOLS)}, found {self.protocol!r}")
        if self.is_sasl and (not self.user or not self.password):
            raise InvalidValue(f"{self.protocol}: expected a user and a password, found {_missing(self)} missing")
        if not self.is_sasl and any(part is not None for part in (self.mechanism, self.user, self.password)):
            raise InvalidValue(
                f"{self.protocol}: expected no user, password or mechanism, because it asks for none; "
                "name SASL_SSL, or leave the protocol out"
            )
        if self.is_sasl and self.mechanism not in MECHANISMS:
            raise InvalidValue(f"mechanism: expected one of {', '.join(MECHANISMS)}, found {self.mechanism!r}")
        if self._has_files() and not self.is_tls:
            raise InvalidValue(f"{self.protocol}: expected no certificates or keys, because it is without TLS")
        if self.key is not None and self.certificate is None:
            raise InvalidValue("TLS: expected a certificate with the key, found the key alone")


OPEN: Final = Security()
"""Neither TLS nor a user."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where brokers are, and who we are to them."""

    url: str
    security: Security = OPEN


def protocol_of(security: Security) -> str:
    """It is always chosen in the end."""
    return security.protocol or PLAINTEXT


def tls_context(security: Security) -> ssl.SSLContext | None:
    """What checks that certificates are good and name the host; None without TLS."""
    if not security.is_tls:
        return None
    files = security.authorities, security.certificate, security.key
    try:
        context = ssl.create_default_context(cafile=security.authorities)
        if security.certificate is not None:
            context.load_cert_chain(security.certificate, security.key, password="")
    except (OSError, ssl.SSLError) as error:
        named = ", ".join(str(path) for path in files if path is not None)
        raise EnvironmentFailed(
            f"TLS: expected certificates in PEM, and no locked key, in {named or 'the system'}, found: {error}"
        ) from error
    return context


def from_environment(environment: Mapping[str, str | None] | None = None) -> Security:
    """What the variables of ENVIRONMENT say; one that is empty says nothing."""
    variables = os.environ if environment is None else environment
    said = {name: value for name, variable in ENVIRONMENT.items() if (value := variables.get(variable))}
    if file := variables.get(PASSWORD_FILE):
        if "password" in said:
            raise InvalidValue(f"expected {ENVIRONMENT['password']} or {PASSWORD_FILE}, found both; leave one out")
        said["password"] = _password_in(Path(file))
    files = {name: Path(said.pop(name)) for name in ("authorities", "certificate", "key") if name in said}
    return Security(**said, **files)  # type: ignore[arg-type]


def _password_in(file: Path) -> str:
    """What it holds; a line's end belongs to the editor that wrote it."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentFailed(f"{file}: expected a file that has the password, found: {error}") from error
    return text.rstrip("\r\n")


def _missing(security: Security) -> str:
    return " and ".join(name for name in ("user", "password") if not getattr(security, name))
