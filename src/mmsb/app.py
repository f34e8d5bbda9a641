"""`App`: where the pages and intents of one application are declared, and its bundle is made."""

import ast
import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from mmsb import arguments
from mmsb.processors.bundle import Bundle, make_bundle
from mmsb.processors.language.frames import ForwardReference
from mmsb.processors.language.intents import translate
from mmsb.processors.plans import Plan, plan
from mmsb.processors.programs import Program, load
from mmsb.schemas.classes import Intent, Page
from mmsb.schemas.declaring import intent_layout, page_layout
from mmsb.schemas.errors import InvalidDefinition, InvalidValue
from mmsb.schemas.ids import make_id
from mmsb.schemas.layouts import IntentLayout, PageLayout
from mmsb.schemas.limits import APP_NAME_BYTES_MAX, HOPS_DEFAULT, HOPS_MAX, PARTITIONS_MAX, WINDOW_MAX
from mmsb.schemas.markers import MISSING
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.origins import Origins, page_origins
from mmsb.schemas.places import function_node, place_of_class
from mmsb.schemas.rejections import Refused
from mmsb.schemas.tlog.claims import Durability
from mmsb.streams.edges.declaring import (
    ATTEMPTS,
    CONCURRENCY,
    PROCESSOR_NAME_MAX,
    TIMEOUT_SECONDS,
    Iterates,
    Processor,
    Topic,
)
from mmsb.streams.watching.counting import Counter

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from mmsb.streams.bus import Bus
    from mmsb.streams.door import Door
    from mmsb.streams.kafka.cluster.security import Cluster, Security
    from mmsb.streams.kafka.engine import KafkaEngine
    from mmsb.streams.watching.http import Address
    from mmsb.streams.watching.watchable import Watchable

NAME_WORDS: Final = f"1 to {APP_NAME_BYTES_MAX} of A-Z a-z 0-9 . _ -"

P = TypeVar("P", bound=Page)
I = TypeVar("I", bound=Intent)  # noqa: E741 - as in design and docs: P for pages, I for intents


class App:
    """An application: its pages, its intents, and their generation, a number that never falls.

    >>> import mmsb
    >>> app = mmsb.App("bank", generation=1)
    """

    def __init__(self, name: str, *, generation: int = 1, hops_max: int = HOPS_DEFAULT) -> None:
        if not _is_app_name(name):
            raise InvalidDefinition(f"App({name!r}): a name has {NAME_WORDS}, because topics are named after it")
        if not _is_generation(generation):
            raise InvalidDefinition(f"App({name!r}): generation is an integer from 1, found {generation!r}")
        if type(hops_max) is not int or not 1 <= hops_max <= HOPS_MAX:
            raise InvalidDefinition(f"App({name!r}): hops_max is an integer from 1 to {HOPS_MAX}, found {hops_max!r}")
        self.name = name
        self.generation = generation
        self.hops_max = hops_max
        self.processors: dict[str, Processor] = {}
        self.counters: dict[str, Counter] = {}
        self._pages: dict[type[Any], PageLayout] = {}
        self._origins: dict[str, Origins] = {}
        self._checkpointing: set[int] = set()
        self._intents: dict[type[Any], IntentLayout] = {}
        self._programs: dict[type[Any], Program] = {}
        self._waiting: dict[type[Any], ForwardReference] = {}

    def __repr__(self) -> str:
        return f"App({self.name!r}, generation={self.generation})"

    def page(
        self,
        *wrong: object,
        key: object = MISSING,
        partition_by: int | tuple[int, ...] | None = None,
        dropped: str | tuple[str, ...] = (),
    ) -> Callable[[type[P]], type[P]]:
        """Declare a page class: `@app.page(key=u64)`.

        `key` is an integer type, mmsb.text(n), mmsb.blob(n) or a tuple of them. `partition_by` names the components
        of the key, by index, that decide the partition; all of them by default. `dropped` names fields that the class
        had once: where data still has them, they go.
        """
        if wrong or key is MISSING:
            shown = ", ".join(getattr(given, "__name__", repr(given)) for given in wrong)
            raise InvalidDefinition(f"@app.page({shown}): a page class has a key; write `@app.page(key=u64)` above it")
        scope = _callers_names()

        def declare(cls: type[P]) -> type[P]:
            layout = page_layout(cls, key, partition_by, scope)
            origins = page_origins(cls, layout, dropped)
            self._check_new(cls, layout.name, layout.type_id)
            cls.__mmsb_layout__ = layout
            self._pages[cls] = layout
            self._origins[layout.name] = origins
            return cls

        return declare

    @overload
    def intent(self, cls: type[I], /) -> type[I]: ...
    @overload
    def intent(
        self, /, *, on_rejected: str | None = None, checkpoint: bool = False
    ) -> Callable[[type[I]], type[I]]: ...
    def intent(self, cls: Any = None, /, *, on_rejected: str | None = None, checkpoint: bool = False) -> Any:
        """Declare an intent class: `@app.intent`, or `@app.intent(on_rejected="Refund")`.

        `on_rejected` names the intent that makes up for a rejection of this one when it came as a follow-up; its
        fields take the values of the same names. With `checkpoint` a checkpoint of the partition is made after each
        of them that applies, as at the end of a day.
        """
        scope = _callers_names()

        def declare(cls: type[Intent]) -> type[Intent]:
            layout = intent_layout(cls, on_rejected, scope)
            self._check_new(cls, layout.name, layout.type_id)
            self._intents[cls] = layout
            if checkpoint:
                self._checkpointing.add(layout.type_id)
            try:
                self._translate(cls)
                self._translate_waiting()
            except InvalidDefinition:
                for declared in (self._intents, self._programs, self._waiting):
                    declared.pop(cls, None)
                raise
            cls.__mmsb_layout__ = layout
            cls.__mmsb_plan__ = self._plan
            return cls

        return declare if cls is None else declare(cls)

    def processor(
        self,
        *wrong: object,
        source: Topic | Iterates | None = None,
        name: str | None = None,
        batch: int | None = None,
        concurrency: int = CONCURRENCY,
        attempts: int = ATTEMPTS,
        timeout: float = TIMEOUT_SECONDS,
        rejects: str | Path | None = None,
    ) -> Callable[[Callable[[Any], Coroutine[Any, Any, Any]]], Processor]:
        """Declare a processor at the edge: `@app.processor(source=mmsb.Topic("orders"))` above an async function.

        It gets a Message, may await anything, and gives the intents that the message leads to: one, a list of them, or
        None. `source` is a topic, or a function that gives an async iterator of positions, which rise, and values. Up
        to `concurrency` calls are under way at once; what they give is submitted in the order of the source, and each
        intent carries its message's place: `name` (that of the function) and the source, by which a restart repeats
        nothing. With `batch` it gets Messages, up to so many, and gives Columns.

        A message that fails `attempts` times, or takes longer than `timeout` seconds each time, goes with its reason to
        the topic `rejects` (APP.NAME.rejects unless said otherwise), or to that file for an iterator, and those behind
        it go on. `bus.process(function)` and `mmsb process` have it work.
        """
        if wrong or source is None:
            raise InvalidDefinition("@app.processor: write `@app.processor(source=mmsb.Topic(...))` above the function")

        def declare(function: Callable[[Any], Coroutine[Any, Any, Any]]) -> Processor:
            known = str(getattr(function, "__name__", "")) if name is None else name
            if not _is_processor_name(known):
                raise InvalidDefinition(f"processor {known!r}: a name has 1 to {PROCESSOR_NAME_MAX} of A-Z a-z 0-9 _ -")
            if known in self.processors:
                raise InvalidDefinition(f"processor {known!r}: {self!r} has another one of that name; give it a name=")
            made = Processor(known, function, source, concurrency, batch, attempts, timeout, rejects)
            self.processors[known] = made
            return made

        return declare

    def counter(self, name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
        """A counter of the application's own, shown by /metrics where it runs with `http`.

        `read = app.counter("letters_read_total", "letters that were read", ["kind"])`, then `read.add(kind="bill")`, in
        processors and programs: what a delta does is counted already, by type and outcome.
        """
        if name in self.counters:
            raise InvalidDefinition(f"counter {name!r}: {self!r} has it already; use that one")
        made = self.counters[name] = Counter(name, meaning, labels)
        return made

    def bundle(self, *, debug: bool = False, generation: int | None = None) -> Bundle:
        """Everything that was declared, as one hashed whole.

        With `debug`, breakpoints set in `predicate`, `delta` and helpers are met when the bundle runs interpreted; it
        is the same bundle, by its hash and by what it does, and slower. A `generation` stands for the one that the app
        says.
        """
        if generation is not None and not _is_generation(generation):
            raise InvalidValue(f"generation: expected an integer from 1, found {generation!r}")
        self._translate_waiting()
        for forward in self._waiting.values():
            raise forward.error
        self._check_compensations()
        programs: Iterable[Program] = self._programs.values()
        if debug:
            programs = [load(program.layout, program.code, program.place, debug=True) for program in programs]
        pages = self._pages.values()
        return make_bundle(self.name, generation or self.generation, self.hops_max, pages, programs, self._origins)

    def run(
        self,
        *,
        data: str | Path,
        log: str | None = None,
        security: "Security | None" = None,
        generation: int | None = None,
        durability: Durability | str | None = None,
        partitions: int | None = None,
        replicas: int | None = None,
        window: int | None = None,
        memory: int | None = None,
        checkpoint_seconds: float | None = None,
        checkpoints: str | Path | None = None,
        events: str | None = None,
        trim: bool = False,
        interpreted: bool = False,
        dev: bool = False,
        spare: Callable[[], object] | None = None,
        standby: bool = False,
        http: str | None = None,
    ) -> "Bus":
        """Run the application over a data folder, made if it is not there: `async with app.run(data=…) as bus`.

        `generation` is said here to run the code under another than its own: old code under the next one, to go back.
        `durability` is what a receipt promises: "fsync", that it survives a loss of power, or "process", that it
        survives the death of the process. `partitions` (1 unless said otherwise) and `window`, which is how many
        offsets back an id is known, are fixed when the folder is made. `memory` is how many bytes pages and their
        indexes may take (half of what the machine has): cold pages beyond that stay on disk. A checkpoint is made
        every `checkpoint_seconds`, if that is given; with `trim`, log that lies before the older of the two newest
        checkpoints is removed then, and nobody can ask about that time any more. `interpreted` runs user code as
        plain Python, where breakpoints in `delta` are met. With `dev` changed code takes the next generation by
        itself. With `spare` it waits until the process that runs the folder has ended, and takes over at once: the
        function is called when all is loaded and it waits.

        With `log="kafka://host:port"` the logs are topics of that cluster, to which `security` says who we are, and
        several processes share the partitions out; the folder keeps what this one knows of them (docs/kafka.md). What
        a receipt promises then is what the brokers promise. `replicas` is how many copies topics that are made have.
        With `standby` partitions that others own are followed, so as to take over at once. `checkpoints` is a folder
        that all workers share: each finds the others' checkpoints there. `events` is how events and rejects
        are published in their topics: "packed", "json", or "none", which leaves that to other workers, or to later.

        With `http="9464"`, or with a host before it, `/alive`, `/ready`, `/progressing`, `/metrics` for Prometheus and
        `/stats` are answered there, from before anything is opened until all is closed (docs/operations.md).
        """
        from mmsb.streams.checkpointing import Keeping  # loads NumPy and Numba, which declaring does without
        from mmsb.streams.engine import Engine, Settings
        from mmsb.streams.kafka.cluster.url import is_url
        from mmsb.streams.serving.server import Served
        from mmsb.streams.terminal import Folding
        from mmsb.streams.world import RealWorld

        if not isinstance(data, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
            raise InvalidValue(f"data: expected the path of a data folder, found {data!r}")
        if is_url(str(data)):
            raise InvalidValue(f"data: expected the path of a data folder, found {str(data)!r}; say that as log")
        arguments.check_count("partitions", partitions, PARTITIONS_MAX)
        arguments.check_count("window", window, WINDOW_MAX)
        arguments.check_memory(memory, partitions or 1)
        if checkpoint_seconds is not None and not checkpoint_seconds > 0:
            raise InvalidValue(f"checkpoint_seconds: expected a positive number, found {checkpoint_seconds!r}")
        address = arguments.address_of(http)
        keeping = Keeping(checkpoint_seconds, trim, frozenset(self._checkpointing))
        bundle = self.bundle(debug=interpreted, generation=generation)
        folder, world, tell = Path(data), RealWorld(), Folding()
        engine: Engine | KafkaEngine  # its own modules are loaded for Kafka alone
        if log is None:
            arguments.check_embedded(
                security=security, replicas=replicas, checkpoints=checkpoints, events=events, standby=standby or None
            )
            named = Durability.FSYNC if durability is None else arguments.durability_of(durability)
            settings = Settings(
                named, partitions, window, interpreted, dev, keeping, memory, spare, metered=address is not None
            )
            engine = Engine(bundle, folder, settings, world, tell)
        else:
            from mmsb.streams.kafka.engine import KafkaSettings, behind

            arguments.check_behind_kafka(durability=durability, spare=spare)
            shared, form = None if checkpoints is None else Path(checkpoints), arguments.form_of(events)
            behind_kafka = KafkaSettings(
                partitions, window, replicas, interpreted, dev, keeping, memory, standby, form, shared,
                metered=address is not None,
            )  # fmt: skip
            engine = behind(log, security, self.name, bundle, folder, behind_kafka, world, tell, owns=True)
        cluster = None if log is None else arguments.cluster_of(log, security)
        return _watched(self, Served(engine, folder), engine, address, cluster)

    def _check_new(self, cls: type[Any], name: str, type_id: int) -> None:
        for other, layout in {**self._pages, **self._intents}.items():
            if layout.name == name:
                raise place_of_class(cls).wrong(f"{self!r} has another class {other.__qualname__}; rename one")
            if layout.type_id == type_id:
                raise place_of_class(cls).wrong(f"its type id is that of {layout.name}, by chance; rename a field")

    def _translate(self, cls: type[Any]) -> None:
        layout = self._intents[cls]
        try:
            code = translate(cls, layout, self._pages.get, self._intents.get)
        except ForwardReference as forward:
            self._waiting[cls] = forward
        else:
            self._waiting.pop(cls, None)
            self._programs[cls] = load(layout, code, place_of_class(cls))

    def _translate_waiting(self) -> None:
        for cls in list(self._waiting):
            self._translate(cls)

    def _check_compensations(self) -> None:
        """Every `on_rejected` names an intent that its class can fill, and following them ends."""
        by_name = {layout.name: (cls, layout) for cls, layout in self._intents.items()}
        for cls, layout in self._intents.items():
            seen = [layout.name]
            while layout.on_rejected is not None:
                if layout.on_rejected not in by_name:
                    raise place_of_class(cls).wrong(f"on_rejected={layout.on_rejected!r} is no intent of {self!r}")
                _check_fills(cls, layout, by_name[layout.on_rejected][1])
                cls, layout = by_name[layout.on_rejected]
                if layout.name in seen:
                    circle = " → ".join([*seen, layout.name])
                    raise place_of_class(cls).wrong(f"on_rejected leads in a circle: {circle}; end it")
                seen.append(layout.name)

    def _plan(self, intent: Intent, metadata: dict[str, Any]) -> Plan:
        self.bundle()
        cls = type(intent)
        pages: dict[int, type[Any]] = {layout.type_id: page for page, layout in self._pages.items()}
        sources = {part: _source(vars(cls).get(part)) for part in ("predicate", "delta")}
        known = [part.name for part in fields(Metadata)]
        for name in metadata:
            if name not in known:
                raise InvalidValue(f"plan: {name!r} is no metadata; it is {', '.join(known)}")
        for name in ("correlation", "causation"):
            if metadata.get(name) is not None:
                metadata[name] = make_id(metadata[name])
        try:
            return plan(intent, self._programs[cls], pages, sources, Metadata(**metadata))
        except Refused as refused:
            code = refused.rejection.code.name.lower()
            raise InvalidValue(f"{intent!r}: its pages cannot be named, it would be rejected: {code}") from None


def connect(
    to: str | Path,
    app: App,
    *,
    data: str | Path | None = None,
    security: "Security | None" = None,
    http: str | None = None,
) -> "Bus":
    """Use an application that another process runs: `async with mmsb.connect("./data", app) as bus`, the same API.

    `to` is its data folder, whose owner is reached through the socket in it; or the cluster that its topics are in,
    as `kafka://host:port`. Then nobody else is asked: what is submitted goes into the topics, what becomes of it comes
    out of them, and so does what is read, from the first question on, into the folder `data`, or into one that goes
    when the bus is left. Leaving ends the connection only. `http` is as for `app.run`, without partitions.
    """
    from mmsb.streams.kafka.cluster.url import is_url

    address = arguments.address_of(http)
    if isinstance(to, str) and is_url(to):
        from mmsb.streams.kafka.engine import KafkaSettings, behind
        from mmsb.streams.terminal import Folding
        from mmsb.streams.world import RealWorld

        folder = None if data is None else Path(data)
        engine = behind(
            to, security, app.name, app.bundle(), folder, KafkaSettings(), RealWorld(), Folding(), owns=False
        )
        return _watched(app, engine, None, address, arguments.cluster_of(to, security))
    if data is not None or security is not None:
        raise InvalidValue(f"data, security: only for kafka://host:port, and this is the data folder {str(to)!r}")
    from mmsb.streams.serving.client import Remote

    return _watched(app, Remote(Path(to)), None, address, None)


def _watched(
    app: App,
    owner: "AbstractAsyncContextManager[Door]",
    engine: "Watchable | None",
    address: "Address | None",
    cluster: "Cluster | None",
) -> "Bus":
    """With answers over HTTP, if there is an address for them; without an engine it is connected to one elsewhere."""
    from mmsb.streams.bus import Bus

    if address is None:
        return Bus(owner, app.name, cluster)
    from mmsb import __version__
    from mmsb.streams.watching.metrics import Own
    from mmsb.streams.watching.watchable import Elsewhere
    from mmsb.streams.watching.watched import Watched
    from mmsb.streams.world import RealWorld

    own = Own(app.counters)
    watched = Watched(owner, engine or Elsewhere(), RealWorld(), app.name, __version__, address, own)
    return Bus(watched, app.name, cluster, own.processed)


def _callers_names() -> Mapping[str, Any]:
    """The local names where a class is being declared: what annotations kept as text may refer to."""
    frame = inspect.currentframe()
    caller = frame.f_back.f_back if frame and frame.f_back else None
    return caller.f_locals if caller else {}


def _is_generation(given: object) -> bool:
    return type(given) is int and 1 <= given < 2**63


def _is_processor_name(name: str) -> bool:
    """Without dots, which stand between the names that topics and groups are made of."""
    return _is_app_name(name) and "." not in name and len(name) <= PROCESSOR_NAME_MAX


def _is_app_name(name: Any) -> bool:
    letters = isinstance(name, str) and name.isascii() and 1 <= len(name) <= APP_NAME_BYTES_MAX
    return letters and all(letter.isalnum() or letter in "._-" for letter in name)


def _check_fills(cls: type[Any], layout: IntentLayout, other: IntentLayout) -> None:
    for field in other.fields:
        index = layout.index_of.get(field.name)
        same = index is not None and layout.fields[index].type == field.type
        if not same and (index is not None or field.default is None):
            wanted = f"{field.name}: {field.type.spelling}"
            raise place_of_class(cls).wrong(f"on_rejected={other.name!r} needs a field `{wanted}` of this class")


def _source(function: Any) -> str:
    """A function's body as a reader knows it."""
    node = function_node(function)[0] if function else None
    if node is None:
        return "True"
    body = [
        statement for statement in node.body if not isinstance(statement, ast.Expr | ast.Pass) or _is_call(statement)
    ]
    if len(body) == 1 and isinstance(body[0], ast.Return) and body[0].value:
        return ast.unparse(body[0].value)
    return "\n".join(ast.unparse(statement) for statement in body)


def _is_call(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
