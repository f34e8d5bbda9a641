"""docs/language.md, section 1."""

import pytest

import mmsb
from mmsb.schemas import places
from tests.language.harness import PRELUDE, app_of, go, ir, load, refused, source_of


def test_1_1_pages_are_parameters_by_position():
    found = go("q.i = 1\np.i = 2", query="return P[1], P[2]", pages="q, p")
    assert found.pages["P[1]"]["i"] == 1
    assert found.pages["P[2]"]["i"] == 2


@pytest.mark.parametrize("pages", ["", "p, q", "p, *, q=1", "p=1", "*p", "p, /"])
def test_1_1_other_parameters_are_refused(pages):
    source = source_of(pages=pages).replace(") :", "):")
    source = source.replace("def delta(", "def delta(").replace("        pass", "        pass  # delta")
    source = source.replace("    def delta(self", "    def delta(  # here\n        self")
    refused("expected the parameters (self, p)", "1 pages", source=source)


def test_1_1_query_and_delta_are_needed_and_predicate_is_not():
    body = PRELUDE + "\n@app.intent\nclass Go(mmsb.Intent):  # here\n    def query(self):\n        return P[1]\n"
    refused("it has no `delta`", "write `def delta(self, …):`", source=body, at="Go")
    refused("it has no `query`", "def query(self)", source=body.replace("query", "delta"), at="Go")


def test_1_2_what_has_no_source_is_refused():
    made = load(PRELUDE)
    class_text = source_of().split("@app.intent", 1)[1]
    with pytest.raises(mmsb.InvalidDefinition, match=r"the source of Go\.query cannot be read \(<string>\)"):
        exec("@app.intent" + class_text, vars(made))


def test_1_2_lambdas_are_refused():
    refused(
        "`delta` must be",
        at="Go",
        source=PRELUDE + "\n@app.intent\nclass Go(mmsb.Intent):  # here\n"
        "    def query(self):\n        return P[1]\n\n    delta = 3\n",
    )
    refused("is a lambda; write it with `def`", delta="p.i = double(self.i)  # here", top="double = lambda x: x * 2")


def test_1_3_a_refusal_names_class_function_file_and_line():
    message = refused(
        "the language does not have `while`", "write `for i in range(n)`", delta="while True:  # here\n    pass"
    )
    assert message.endswith("write `for i in range(n)` with a constant n")


def test_1_3_a_refusal_in_a_helper_names_both():
    top = "def helper(x):\n    y = x\n    return y ** 2  # here\n"
    refused("no `**`", at="Go.delta → helper", delta="p.i = helper(self.i)", top=top)


def test_1_4_names_comments_and_annotations_do_not_reach_the_ir():
    plain = "x = self.i\np.i = x + 1"
    dressed = '"""Say why."""\nother: "i64" = (self.i)  # a comment\n\npass\np.i = (\n    other\n    + 1\n)'
    assert ir(plain) == ir(dressed)
    assert ir("p.i = double(self.i)", top="def double(x):\n    return x + x\n") == ir(
        "p.i = twice(y=self.i)", top='def twice(y: int) -> int:\n    """Two."""\n    return y + y\n'
    )


def test_1_5_python_never_executes_them():
    module = load(source_of("p.i = helper(self.i)", top="def helper(x):\n    return x + 1\n"))

    def never(*_):
        raise AssertionError("executed")

    bundle = app_of(module).bundle()
    module.Go.delta = module.Go.query = module.helper = never
    assert app_of(module).bundle().hash == bundle.hash
    with pytest.raises(mmsb.InvalidDefinition, match="called by Python"):
        mmsb.now()


def test_invalid_escapes_elsewhere_in_the_file_do_no_harm():
    with pytest.warns(Warning, match="invalid escape"):
        load(source_of("p.i = 1", top='PATTERN = "\\d"\n'))
    assert places._parse("x = '\\d'") is not None
