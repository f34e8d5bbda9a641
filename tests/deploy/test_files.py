"""What lies in deploy/ fits together, and to the code; that each file is of its format is asked by `make check`."""

import re
import shutil
from argparse import Namespace

import pytest
import yaml

import mmsb
from mmsb.cli.configuring import find
from mmsb.cli.settings import SETTINGS
from tests.deploy.files import DEPLOY, manifest, manifests, services, settings, unit
from tests.docs.tables import blocks, text_of
from tests.project.tree import ROOT, run

WORKERS = ("worker-1", "worker-2", "standby")
CONTAINERFILE = (DEPLOY / "container" / "Containerfile").read_text()


def pod() -> dict:
    return manifest("StatefulSet", "bank")["spec"]["template"]["spec"]


@pytest.mark.parametrize("where", settings())
def test_settings_are_ones_that_there_are(where, tmp_path):
    file = tmp_path / "bank.toml"
    file.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in settings()[where].items()))

    assert set(find(Namespace(config=str(file)), {})) == set(settings()[where])


def test_variables_are_ones_that_there_are():
    said = [name for service in services().values() for name in service.get("environment", {})]
    said += re.findall(r"MMSB_\w+", " ".join([CONTAINERFILE, *unit()["Environment"]]))
    ours = {name for name in said if name.startswith("MMSB_")}

    assert ours <= {"MMSB_CACHE", *(setting.variable for setting in SETTINGS)}
    assert {"MMSB_STANDBY", "MMSB_DATA", "MMSB_CACHE"} <= ours


def test_probes_ask_where_the_settings_have_them_answered():
    [container] = pod()["containers"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    [port] = [each["containerPort"] for each in container["ports"]]

    assert paths == {"startup": "/alive", "readiness": "/ready", "liveness": "/progressing"}
    assert settings()["kubernetes"]["http"] == f"0.0.0.0:{port}"
    for name in WORKERS:
        assert f"127.0.0.1:{port}/ready" in services()[name]["healthcheck"]["test"][-1]
    assert settings()["compose/bank.toml"]["http"] == f"0.0.0.0:{port}"


def test_nobody_is_killed_before_a_flush_has_had_its_time():
    """docs/operations.md asks for a minute at least."""
    assert pod()["terminationGracePeriodSeconds"] >= 60
    assert all(services()[name]["stop_grace_period"] == "2m" for name in WORKERS)
    assert [int(seconds) for seconds in unit()["TimeoutStopSec"]] == [120]


def test_whatever_runs_is_not_root_and_may_write_its_data_alone():
    [user] = re.findall(r"^USER (\d+):\d+$", CONTAINERFILE, re.MULTILINE)
    [container] = pod()["containers"]

    assert pod()["securityContext"]["runAsUser"] == int(user) == pod()["securityContext"]["fsGroup"]
    assert pod()["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")} == {
        "/var/lib/mmsb", "/tmp",
    }  # fmt: skip
    for name in (*WORKERS, "load"):
        assert (services()[name]["read_only"], services()[name]["cap_drop"]) == (True, ["ALL"])
        assert services()[name]["volumes"] == [f"{name}:/var/lib/mmsb"]
    assert unit()["User"] == ["mmsb"]
    assert unit()["ProtectSystem"] == ["strict"]


def test_selectors_find_the_pods():
    labels = manifest("StatefulSet", "bank")["spec"]["template"]["metadata"]["labels"]

    for kind in ("StatefulSet", "PodDisruptionBudget"):
        assert manifest(kind, "bank")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("Service", "bank")["spec"]["selector"] == labels
    assert manifest("StatefulSet", "bank")["spec"]["serviceName"] == "bank"


def test_what_the_compose_file_refers_to_is_there():
    whole = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    for name, service in whole["services"].items():
        assert {volume.partition(":")[0] for volume in service["volumes"]} <= whole["volumes"].keys(), name
        for config in service.get("configs", []):
            assert (DEPLOY / "compose" / whole["configs"][config["source"]]["file"]).exists()
        for other, wanted in service.get("depends_on", {}).items():
            assert wanted == {"condition": "service_healthy"}
            assert "healthcheck" in whole["services"][other]


@pytest.mark.parametrize("name", ["bank", "kafka"])
def test_what_pods_refer_to_is_there(name):
    spec = manifest("StatefulSet", name)["spec"]
    pod = spec["template"]["spec"]
    [container] = pod["containers"]
    ports = {port["name"] for port in container["ports"]}
    probes = [container[key] for key in container if key.endswith("Probe")]
    volumes = {each["metadata"]["name"] for each in spec["volumeClaimTemplates"]}
    volumes |= {volume["name"] for volume in pod.get("volumes", [])}

    assert probes
    assert {(probe.get("httpGet") or probe["tcpSocket"])["port"] for probe in probes} <= ports
    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    for volume in pod.get("volumes", []):
        if "configMap" in volume:
            [file] = manifest("ConfigMap", volume["configMap"]["name"])["data"]
            assert f"/{file}" in "".join(container["args"])


def test_versions_are_those_that_are_tested():
    [kafka] = re.findall(r"<kafka.version>(.*)</kafka.version>", (DEPLOY / "kafka" / "pom.xml").read_text())
    [broker] = manifest("StatefulSet", "kafka")["spec"]["template"]["spec"]["containers"]
    [worker] = pod()["containers"]

    assert broker["image"] == services()["kafka"]["image"] == f"apache/kafka:{kafka}"
    assert worker["image"] == f"mmsb-bank:{mmsb.__version__}"
    assert {each["apiVersion"] for each in manifests()} == {"v1", "apps/v1", "policy/v1"}


DAMAGE = [
    ("container/Containerfile", "WORKDIR /src", "WORKDIR src", "DL3000"),
    ("compose/compose.yaml", "restart:", "restarts:", "restarts"),
    ("compose/bank.toml", "partitions", "partitons", "did you mean partitions?"),
    ("systemd/mmsb@.service", "NoNewPrivileges=yes", "NoNewPrivileges=no", "exposure level"),
    ("systemd/mmsb@.service", "TimeoutStopSec=", "TimeoutStopSecs=", "Unknown key 'TimeoutStopSecs'"),
    ("systemd/mmsb@.service", "Restart=on-failure", "Restart=on-failed", "on-failed"),
    ("systemd/mmsb.sysusers", "u mmsb", "user mmsb", "mmsb.sysusers:2"),
    ("kubernetes/workers.yaml", "minReadySeconds", "minreadySeconds", "minreadySeconds"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "right", "wrong", "words"), DAMAGE, ids=[f"{name} {wrong}" for name, _, wrong, _ in DAMAGE]
)
def test_the_check_notices_what_is_wrong(tmp_path, name, right, wrong, words):
    if name.startswith("systemd") and not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze here")
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    damaged = tmp_path / "deploy" / name
    assert right in damaged.read_text()
    damaged.write_text(damaged.read_text().replace(right, wrong))

    checked = run(tmp_path / "deploy" / "check", cwd=tmp_path)

    assert checked.returncode != 0
    assert words in checked.stdout


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def test_what_the_guide_names_is_there():
    commands = "\n".join(blocks(text_of("docs/operations.md"), "console"))
    paths = set(re.findall(r"\bdeploy/[\w./@-]+", commands))
    targets = set(re.findall(r"--target (\w+)", commands))
    workers = set(re.findall(r"compose\.yaml (?:exec|kill --signal KILL|logs) ([\w-]+)", commands))

    assert {"deploy/install", "deploy/systemd/mmsb@.service", "deploy/kubernetes/workers.yaml"} <= paths
    assert all((ROOT / path).exists() for path in paths)
    assert targets == {"bank"} <= set(re.findall(r"^FROM .* AS (\w+)$", CONTAINERFILE, re.MULTILINE))
    assert workers == {"worker-1", "load"} <= services().keys()
    assert f"-t {pod()['containers'][0]['image']} " in commands
