"""What lies in deploy/, as its readers see it."""

import re
import tomllib
from typing import Any

import yaml

from tests.project.tree import ROOT

DEPLOY = ROOT / "deploy"


def manifests() -> list[dict[str, Any]]:
    """Every object of every manifest of Kubernetes."""
    return [each for path in sorted(DEPLOY.glob("kubernetes/*.yaml")) for each in yaml.safe_load_all(path.read_text())]


def manifest(kind: str, name: str) -> dict[str, Any]:
    [found] = [each for each in manifests() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def services() -> dict[str, Any]:
    """Of the compose file."""
    return dict(yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"])


def unit() -> dict[str, list[str]]:
    """What the service of systemd says, by key: one may be said again."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", (DEPLOY / "systemd" / "mmsb@.service").read_text(), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def settings() -> dict[str, dict[str, Any]]:
    """Of every file of settings, and of the one in the ConfigMap, by where it is."""
    texts = {str(path.relative_to(DEPLOY)): path.read_text() for path in DEPLOY.glob("*/*.toml")}
    texts["kubernetes"] = manifest("ConfigMap", "bank")["data"]["bank.toml"]
    return {where: tomllib.loads(text) for where, text in texts.items()}
