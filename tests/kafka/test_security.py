"""What we tell brokers of ourselves, and what we want of them: nothing open unless it was asked for by name."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.streams.kafka.cluster.security import ENVIRONMENT, Security, from_environment, tls_context

USER: dict[str, Any] = {"user": "ann", "password": "secret"}
FILE = Path("some.pem")


@pytest.mark.parametrize(
    ("given", "protocol", "mechanism"),
    [
        ({}, "PLAINTEXT", None),
        (USER, "SASL_SSL", "SCRAM-SHA-512"),
        ({**USER, "mechanism": "PLAIN"}, "SASL_SSL", "PLAIN"),
        ({"authorities": FILE}, "SSL", None),
        ({"certificate": FILE, "key": FILE}, "SSL", None),
        ({**USER, "authorities": FILE}, "SASL_SSL", "SCRAM-SHA-512"),
        ({**USER, "protocol": "SASL_PLAINTEXT", "mechanism": "SCRAM-SHA-256"}, "SASL_PLAINTEXT", "SCRAM-SHA-256"),
    ],
)
def test_defaults_are_safe(given: dict[str, Any], protocol: str, mechanism: str | None) -> None:
    security = Security(**given)
    assert (security.protocol, security.mechanism) == (protocol, mechanism)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"protocol": "sasl_ssl", **USER}, "expected one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ({"user": "ann"}, "found password missing"),
        ({"password": "secret"}, "expected no user, password or mechanism"),
        ({"protocol": "SASL_SSL"}, "found user and password missing"),
        ({"protocol": "PLAINTEXT", **USER}, "expected no user, password or mechanism"),
        ({"protocol": "SSL", **USER}, "expected no user, password or mechanism"),
        ({"mechanism": "PLAIN"}, "expected no user, password or mechanism"),
        ({**USER, "mechanism": "GSSAPI"}, "expected one of SCRAM-SHA-512, SCRAM-SHA-256, PLAIN, found 'GSSAPI'"),
        ({**USER, "protocol": "SASL_PLAINTEXT", "authorities": FILE}, "without TLS"),
        ({"key": FILE}, "found the key alone"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidValue, match=words) as raised:
        Security(**given)
    assert "secret" not in str(raised.value)


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(Security(**USER))


def test_a_password_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    said = {"MMSB_KAFKA_USER": "ann", "MMSB_KAFKA_PASSWORD_FILE": str(file)}
    file.write_text("s3cret \n")

    assert from_environment(said).password == "s3cret "
    with pytest.raises(InvalidValue, match="found both"):
        from_environment({**said, "MMSB_KAFKA_PASSWORD": "other"})
    file.unlink()
    with pytest.raises(EnvironmentFailed, match="expected a file that has the password"):
        from_environment(said)


def test_commands_take_it_from_the_environment() -> None:
    said = {
        "MMSB_KAFKA_PROTOCOL": "SASL_SSL",
        "MMSB_KAFKA_MECHANISM": "SCRAM-SHA-256",
        "MMSB_KAFKA_USER": "ann",
        "MMSB_KAFKA_PASSWORD": "secret",
        "MMSB_KAFKA_CA": "ca.pem",
        "MMSB_KAFKA_CERTIFICATE": "own.pem",
        "MMSB_KAFKA_KEY": "key.pem",
    }
    assert set(said) == set(ENVIRONMENT.values())
    assert from_environment(said) == Security(
        "SASL_SSL", "SCRAM-SHA-256", "ann", "secret", Path("ca.pem"), Path("own.pem"), Path("key.pem")
    )
    assert from_environment({"MMSB_KAFKA_USER": ""}) == from_environment({}) == Security()
    assert from_environment({"MMSB_KAFKA_USER": "ann", "MMSB_KAFKA_PASSWORD": "x"}).protocol == "SASL_SSL"


def test_tls_checks_who_answers() -> None:
    assert tls_context(Security()) is None
    context = tls_context(Security(protocol="SSL"))
    assert context is not None
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    missing, wrong = tmp_path / "missing.pem", tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    for security in (Security(authorities=missing), Security(authorities=wrong), Security(certificate=wrong)):
        with pytest.raises(EnvironmentFailed, match=r"(missing|wrong)\.pem"):
            tls_context(security)
