"""Settings by flag, variable and file: which goes over which, what is refused and how, and what is shown of them."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from mmsb.cli.configuring import find, settle
from mmsb.cli.exits import Exit
from mmsb.cli.parser import make_parser
from mmsb.cli.serve import RUN
from mmsb.cli.settings import OTHER_VARIABLES, SETTINGS
from mmsb.schemas.errors import InvalidValue
from mmsb.streams.kafka.cluster.security import ENVIRONMENT, MECHANISMS, PASSWORD_FILE, PROTOCOLS
from tests.cli.running import Owner, mmsb
from tests.project.tree import ROOT, run

WORDS: dict[str, tuple[str, str, Any]] = {
    "app": ("shop.py", '"shop.py"', "shop.py"),
    "data": ("./data", '"./data"', "./data"),
    "generation": ("7", "7", 7),
    "interpreted": ("true", "true", True),
    "dev": ("true", "true", True),
    "durability": ("process", '"process"', "process"),
    "partitions": ("8", "8", 8),
    "window": ("4096", "4096", 4096),
    "memory": ("512M", '"512M"', 512 << 20),
    "checkpoint_seconds": ("0.5", "0.5", 0.5),
    "trim": ("true", "true", True),
    "spare": ("true", "true", True),
    "http": ("[::1]:9464", '"[::1]:9464"', "[::1]:9464"),
    "log": ("kafka://h:1", '"kafka://h:1"', "kafka://h:1"),
    "replicas": ("3", "3", 3),
    "standby": ("true", "true", True),
    "checkpoints": ("/shared", '"/shared"', "/shared"),
    "events": ("json", '"json"', "json"),
    "kafka_protocol": ("SSL", '"SSL"', "SSL"),
    "kafka_mechanism": ("PLAIN", '"PLAIN"', "PLAIN"),
    "kafka_user": ("ann", '"ann"', "ann"),
    "kafka_password": ("secret", "", "secret"),
    "kafka_password_file": ("/run/p", '"/run/p"', "/run/p"),
    "kafka_ca": ("/ca.pem", '"/ca.pem"', "/ca.pem"),
    "kafka_certificate": ("/c.pem", '"/c.pem"', "/c.pem"),
    "kafka_key": ("/k.pem", '"/k.pem"', "/k.pem"),
}
"""Each setting as a flag and a variable say it, as a file does, and what it is then."""


def asked(*given: str) -> Namespace:
    return make_parser(RUN).parse_intermixed_args(list(given))


def found(given: tuple[str, ...] = (), environment: dict[str, str] | None = None) -> dict[str, tuple[Any, str]]:
    return {key: (held.value, held.source) for key, held in find(asked(*given), environment or {}).items()}


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    return tmp_path / "bank.toml"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_a_setting_is_the_same_from_wherever_it_comes(setting, settings):
    text, toml, value = WORDS[setting.key]
    by_variable = found((), {setting.variable: text})
    assert by_variable == {setting.key: (value, setting.variable)}

    if not setting.secret:
        settings.write_text(f"# by hand\n{setting.key} = {toml}\n")
        assert found(("--config", str(settings))) == {setting.key: (value, f"{settings}:2")}
        flags = (text,) if setting.key == "app" else (setting.flag,) if value is True else (setting.flag, text)
        assert found(flags) == {setting.key: (value, "APP" if setting.key == "app" else setting.flag)}


def test_a_flag_goes_over_a_variable_and_that_over_the_file_and_that_over_the_default(settings):
    settings.write_text('partitions = 1\nwindow = 1\nreplicas = 1\ntrim = true\nstandby = true\napp = "a.py"\n')
    given = ("b.py", "--partitions", "3", "--no-standby", "--data", "d")
    environment = {
        "MMSB_CONFIG": str(settings), "MMSB_PARTITIONS": "2", "MMSB_WINDOW": "2", "MMSB_TRIM": "false",
        "MMSB_APP": "c.py", "MMSB_EVENTS": "", "PATH": "/bin",
    }  # fmt: skip

    settled = settle(asked(*given), find(asked(*given), environment))

    assert (settled.app, settled.partitions, settled.window, settled.replicas) == ("b.py", 3, 2, 1)
    assert (settled.trim, settled.standby, settled.dev, settled.events) == (False, False, False, None)


def test_the_file_that_a_flag_names_goes_over_the_one_of_the_variable(tmp_path, settings):
    other = tmp_path / "other.toml"
    other.write_text("window = 5")
    settings.write_text("partitions = 5")

    assert found(("--config", str(other)), {"MMSB_CONFIG": str(settings)}) == {"window": (5, f"{other}:1")}


UNFIT = [
    ("partitons = 8", "bank.toml:1: there is no setting 'partitons'; did you mean partitions?"),
    ("\ndurability = 'often'", "bank.toml:2: durability: expected fsync or process, found 'often'"),
    ("partitions = '8 or so'", "bank.toml:1: partitions: expected a whole number from 1 to 65536, found '8 or so'"),
    ("partitions = true", "bank.toml:1: partitions: expected a whole number from 1 to 65536, found true"),
    ("partitions = 0", "bank.toml:1: partitions: expected a whole number from 1 to 65536, found 0"),
    ("trim = 1", "bank.toml:1: trim: expected true or false, found 1"),
    ("memory = '1X'", "bank.toml:1: memory: expected a number of bytes, as 512M or 4G, found '1X'"),
    ("checkpoint_seconds = nan", "bank.toml:1: checkpoint_seconds: expected a number above 0, found nan"),
    ("http = 9464", 'bank.toml:1: http: expected a text, [HOST:]PORT, as "9464", found 9464'),
    ("data = ''", "bank.toml:1: data: expected a text, found ''"),
    ("data = ['a']", "bank.toml:1: data: expected a text, found ['a']"),
    ("data = 'a'\n[kafka]\nuser = 'ann'", "bank.toml:2: there is no setting 'kafka'; "),
    ("data = 'a'\n[log]\nuser = 'ann'", "bank.toml:2: log: expected a text, found {'user': 'ann'}"),
    ("data = a", "bank.toml: expected TOML, as `partitions = 8`, found: Invalid value (at line 1, column 8)"),
    ("kafka_password = 's3cret'", "bank.toml:1: kafka_password is never in a file of settings; "),
]


@pytest.mark.parametrize(("text", "words"), UNFIT, ids=lambda value: value[:30])
def test_what_a_file_says_wrong_is_named_with_its_line(ask, settings, text, words):
    settings.write_text(text)

    code, out, err = ask("run", "--config", settings)

    assert (code, out) == (Exit.CALLER, "")
    assert words in err
    assert "s3cret" not in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("MMSB_PARTITION", "8", "MMSB_PARTITION: there is no such variable; did you mean MMSB_PARTITIONS?"),
        ("MMSB_KAFKA_PASWORD", "x", "did you mean MMSB_KAFKA_PASSWORD?"),
        ("MMSB_FROBNICATE", "x", "there is no such variable; `mmsb run --show-config` lists what there is"),
        ("MMSB_TRIM", "yes", "MMSB_TRIM: trim: expected true or false, found 'yes'"),
        ("MMSB_PARTITIONS", "x", "MMSB_PARTITIONS: partitions: expected a whole number from 1 to 65536, found 'x'"),
    ],
)
def test_what_a_variable_says_wrong_is_named(ask, monkeypatch, name, text, words):
    monkeypatch.setenv(name, text)

    code, out, err = ask("run")

    assert (code, out) == (Exit.CALLER, "")
    assert words in err


def test_variables_that_are_no_settings_are_known():
    """Whatever this repository reads from the environment under our name, so that none of it stops `mmsb run`.

    MMSB_TEST_… is for programs of the tests alone.
    """
    listed = run("git", "grep", "-ohE", r"\bMMSB_[A-Z_]*[A-Z]\b", "--", ":!tests/cli/test_configuring.py", cwd=ROOT)
    if listed.returncode != 0:
        pytest.skip("not a git checkout, so nothing is committed here")

    read = {name for name in listed.stdout.split() if not name.startswith("MMSB_TEST_")}
    assert read <= {*OTHER_VARIABLES, *(setting.variable for setting in SETTINGS)}
    assert found((), dict.fromkeys(OTHER_VARIABLES, "x") | {"MMSB_CONFIG": ""}) == {}


def test_a_file_that_is_not_there(ask, tmp_path):
    code, _, err = ask("run", "--config", tmp_path / "none.toml")

    assert code == Exit.ENVIRONMENT
    assert "none.toml: No such file or directory" in err


def test_show_config_says_what_holds_and_where_it_is_from(ask, settings, monkeypatch):
    settings.write_text('data = "./data/bank"\nmemory = "4G"\n')
    monkeypatch.setenv("MMSB_KAFKA_PASSWORD", "s3cret")
    given = ("run", "examples.bank:app", "--config", settings, "--trim", "--show-config")

    code, out, err = ask(*given)
    shown = json.loads(ask(*given, "--json")[1])

    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert (code, err) == (Exit.DONE, "")
    assert [*rows] == ["setting", *(setting.key for setting in SETTINGS)]
    assert rows["app"] == ["examples.bank:app", "APP"]
    assert rows["memory"] == [str(4 << 30), f"{settings}:2"]
    assert rows["trim"] == ["true", "--trim"]
    assert rows["durability"] == ["fsync", "default"]
    assert rows["kafka_password"] == ["(hidden)", "MMSB_KAFKA_PASSWORD"]
    assert "s3cret" not in out + json.dumps(shown)
    assert shown["memory"] == {"value": 4 << 30, "from": f"{settings}:2"}
    assert shown["kafka_password"] == {"value": "(hidden)", "from": "MMSB_KAFKA_PASSWORD"}
    assert shown["window"] == {"value": None, "from": "default"}


def test_a_password_is_no_flag_nor_the_beginning_of_one():
    with pytest.raises(InvalidValue, match="unknown: --kafka-password=x"):
        asked("examples.bank:app", "--kafka-password=x")


def test_what_security_takes_is_a_setting():
    settings = {setting.variable: setting for setting in SETTINGS}

    assert {*ENVIRONMENT.values(), PASSWORD_FILE} == {name for name in settings if name.startswith("MMSB_KAFKA_")}
    for name, words in (("protocol", PROTOCOLS), ("mechanism", MECHANISMS)):
        assert [settings[ENVIRONMENT[name]].kind.of(word) for word in words] == [*words]


def test_old_code_goes_back_under_the_next_generation(tmp_path):
    """Without a change to it: the generation is a setting."""
    old = ROOT / "examples" / "bank.py"
    new = tmp_path / "bank.py"
    source = old.read_text("utf-8")
    new.write_text(source.replace("account.moves += 1", "account.moves += 2"))
    data = tmp_path / "data"
    for code, options in ((old, ()), (new, ("--generation", "2")), (old, ("--generation", "3"))):
        with Owner(data, str(code), *options) as owner:
            assert owner.ready["generation"] == int((options or ("", "1"))[1])

    refused = mmsb("run", old, "--data", data, "--interpreted")
    assert refused.returncode == Exit.CONFLICT
    assert "generation 3 has run here already, and this code says generation=1; set generation=3" in refused.stderr
    refused = mmsb("run", new, "--data", data, "--interpreted", "--generation", "2")
    assert "set generation=4 in" in refused.stderr
