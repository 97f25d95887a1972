"""The command line: arguments in, exit code out. Data goes to standard output, words for people to standard error."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from fleet.errors import FleetError, RequestError, ScenarioError

if TYPE_CHECKING:
    from fleet.scenario.model import Scenario

BOOTSTRAP_VARIABLE = "FLEET_KAFKA_BOOTSTRAP"
SPEED_MAX = 1e6
BATCH_SIZE = "1000 KiB"
USAGE: type[Exception] = typer.BadParameter.__mro__[1]
"""All that can be wrong with arguments; typer has no public name for it."""

app = typer.Typer(
    name="fleet",
    help="A simulated factory on Kafka.\n\nTry: fleet run quickstart",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=V", help="Replace a value of the scenario. May be repeated.")
]
ScenarioName = Annotated[str, typer.Argument(metavar="SCENARIO", help="A file, or the name of one that fleet ships.")]
KafkaConfig = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Properties as Kafka's or librdkafka's clients take them: TLS, SASL."),
]


@app.command(
    short_help="Run a scenario: send what its factory says.",
    epilog="\b\nExample: fleet run quickstart --to stdout: --speed max --for 1h",
)
def run(
    scenario: ScenarioName,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="SINK",
            help="kafka://HOST:PORT, file:PATH.avro, file:PATH.jsonl, stdout: or null:. May be repeated. "
            f"Without it: the broker in {BOOTSTRAP_VARIABLE}, else an embedded one.",
        ),
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="1|60|max", help="Simulated time against wall time; max: as fast as it goes.")
    ] = "1",
    length: Annotated[str | None, typer.Option("--for", metavar="1h", help="How long, in simulated time.")] = None,
    start: Annotated[
        str | None, typer.Option(metavar="now|TIME", help="When simulated time begins, like 2026-03-02T06:00:00Z.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="What all randomness is drawn from.")] = None,
    settings: Settings = None,
    sample: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Print the first N records as JSON lines; send nothing.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="avro|json", help="How records are written.")
    ] = None,
    topic: Annotated[
        str | None,
        typer.Option(metavar="T", help="The readings' topic; may be a template of {site} {area} {line} {kind}."),
    ] = None,
    kafka_config: KafkaConfig = None,
    record_time: Annotated[
        str, typer.Option(metavar="scan|wall", help="The records' own stamps: the scan's instant, or the present.")
    ] = "scan",
    run_header: Annotated[bool, typer.Option("--run-header", help="Put the run's id on every reading.")] = False,
    skew: Annotated[
        str | None, typer.Option(metavar="1s", help="How far the log may be out of due order between machines.")
    ] = None,
    when_late: Annotated[
        str, typer.Option(metavar="catch-up|skip", help="What to do with what is overdue.")
    ] = "catch-up",
    stop_timeout: Annotated[
        str, typer.Option(metavar="30s", help="How long an interrupted run waits for answers.")
    ] = "30s",
    acks: Annotated[str, typer.Option(metavar="all|1", help="Acknowledgements; only all is idempotent.")] = "all",
    compression: Annotated[
        str, typer.Option(metavar="none|lz4|zstd|snappy|gzip[:LEVEL]", help="Compression of readings' batches.")
    ] = "none",
    batch_size: Annotated[str, typer.Option(metavar="SIZE", help="Most that a batch holds.")] = BATCH_SIZE,
    linger: Annotated[
        str | None, typer.Option(metavar="20ms", help="How long a record may wait for company: a longer window.")
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(metavar="50ms", help="Wall time between two releases of a paced run [from 10,000/s on: 100ms]."),
    ] = None,
    set_producer: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V", help="An option of aiokafka's producer. May be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON to standard output.")] = False,
    exit_: Annotated[bool, typer.Option("--exit", help="End when done: do not keep the embedded broker open.")] = False,
) -> None:
    """Run a scenario: send what its factory says, then say what became of every record."""
    from fleet.run.clock import RealClock
    from fleet.run.plan import EMBEDDED, RunRequest, make_plan
    from fleet.sinks.settings import producer_settings

    loaded = _with_arguments(scenario, settings, seed=seed, start=start, length=length)
    if sample is not None:
        targets: tuple[str, ...] = ("stdout:",)
    elif to:
        targets = tuple(to)
    elif os.environ.get(BOOTSTRAP_VARIABLE):
        targets = (_bootstrap_url(),)
    else:
        targets = (EMBEDDED,)
    request = RunRequest(
        scenario=loaded,
        source=scenario,
        targets=targets,
        speed=_speed(speed),
        settings=tuple(settings or ()),
        format=_choice("--format", format_, ("avro", "json")),
        topic=_topic(topic),
        kafka_config=kafka_config if sample is None else None,
        record_time=_choice("--record-time", record_time, ("scan", "wall")) or "scan",
        run_header=run_header,
        skew_s=None if skew is None else _duration_us("--skew", skew) / 1e6,
        skip_when_late=_choice("--when-late", when_late, ("catch-up", "skip")) == "skip",
        stop_timeout_s=_duration_us("--stop-timeout", stop_timeout) / 1e6,
        producer=producer_settings(
            acks=acks,
            compression=compression,
            batch_bytes=_bytes("--batch-size", batch_size),
            options=set_producer or (),
        ),
        window_s=_window_s(window, linger),
        repeated=_said(
            ("--acks", acks, "all"),
            ("--compression", compression, "none"),
            ("--batch-size", batch_size, BATCH_SIZE),
            ("--linger", linger, None),
            ("--window", window, None),
            ("--skew", skew, None),
            *(("--set-producer", option, None) for option in set_producer or ()),
        ),
    )
    if as_json and "stdout:" in targets:
        raise RequestError("--json and --to stdout: both want standard output; send the records elsewhere")
    plan = make_plan(request, wall_us=RealClock().wall_us())
    if sample is not None:
        from fleet.run.sample import print_sample

        print_sample(plan, sample)
        return
    from fleet.session import carry_out

    raise typer.Exit(carry_out(plan, as_json=as_json, keep_open=not exit_))


@app.command(
    short_help="Say everything that is wrong with scenarios.", epilog="\b\nExample: fleet check quickstart --expand"
)
def check(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="Files, or names.")],
    settings: Settings = None,
    expand: Annotated[
        bool, typer.Option("--expand", help="Show machines, records/s, MB/s, islands and topics; send nothing.")
    ] = False,
    create: Annotated[bool, typer.Option("--create", help="Make the topics on the broker of --to.")] = False,
    to: Annotated[str | None, typer.Option("--to", metavar="SINK", help="The broker for --create.")] = None,
    kafka_config: KafkaConfig = None,
) -> None:
    """Say everything that is wrong with scenarios, each mistake with its line; exit 2 if there is any."""
    from fleet.run.check import create_topics, expanded

    wrong = 0
    for name in scenarios:
        try:
            loaded = _load(name, settings)
            lines = expanded(loaded, name) if expand else [f"{name}: ok"]
            if create:
                lines += create_topics(loaded, name, _broker(to), kafka_config)
        except ScenarioError as error:
            wrong += len(error.problems)
            _say(str(error))
            continue
        for line in lines:
            (typer.echo if expand or create else _say)(line)
    if wrong:
        _say(f"{wrong} problem{'s' if wrong > 1 else ''}")
        raise typer.Exit(2)


@app.command(short_help="Write a scenario to start from.", epilog="\b\nExample: fleet init my-factory.yaml")
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = Path("scenario.yaml"),
) -> None:
    """Write a short scenario with comments, to start from."""
    from fleet.scenario.schema import starter

    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(starter())
    except FileExistsError:
        raise RequestError(f"{file}: is there already; name another file") from None
    except OSError as error:
        raise RequestError(f"{file}: cannot be written: {error.strerror}") from None
    _say(f"wrote {file}; try: fleet check {file} --expand, then: fleet run {file}")


@app.command(short_help="Draw what a scenario does.", epilog="\b\nExample: fleet plot quickstart --out page.html")
def plot(
    scenario: ScenarioName,
    machine: Annotated[
        list[str] | None,
        typer.Option("--machine", metavar="ID", help="A machine with all its sensors. May be repeated."),
    ] = None,
    length: Annotated[
        str | None, typer.Option("--for", metavar="8h", help="How long [the scenario's duration, else 8h].")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="page.html, or one picture: .svg, .png [NAME-plot.html]."),
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="now|TIME", help="When simulated time begins, like 2026-03-02T06:00:00Z.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="What all randomness is drawn from.")] = None,
    settings: Settings = None,
) -> None:
    """Draw what a scenario does, without sending anything: the fleet's states, and machines with all their sensors."""
    from fleet.picture.plot import PlotRequest, plot_scenario
    from fleet.picture.progress import shown_progress

    loaded = _with_arguments(scenario, settings, seed=seed, start=start, length=length)
    request = PlotRequest(loaded, scenario, tuple(machine or ()), out, tuple(settings or ()))
    with shown_progress() as progress:
        plotted = plot_scenario(request, progress)
    for line in plotted.said:
        _say(line)
    typer.echo(str(plotted.file))


@app.command(
    short_help="Fit a kind to readings of your own machines.",
    epilog="\b\nExample: fleet fit readings.csv --kind pump --sensor PT101=discharge_pressure --plot fit.png",
)
def fit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, or JSON lines: a reading a row, or a scan.")],
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="The kind of its machines.")],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="time=..,machine=..,sensor=..,value=..", help="Which columns are what."),
    ] = None,
    sensor: Annotated[
        list[str] | None,
        typer.Option(
            "--sensor", metavar="NAME=SENSOR", help="The kind's sensor for one of the file's. May be repeated."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the scenario part goes.")] = Path(
        "part.yaml"
    ),
    picture: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="A picture of both, .png or .svg.")
    ] = None,
) -> None:
    """Fit a kind to readings of your own machines, and write a scenario part that behaves like them."""
    from fleet.fit.command import FitRequest, carry_out
    from fleet.picture.progress import shown_status

    request = FitRequest(file, kind, tuple(mapping or ()), tuple(sensor or ()), out, picture)
    with shown_status() as status:
        answer = carry_out(request, status)
    for line in answer.said:
        _say(line)
    for line in answer.table:
        typer.echo(line)


@app.command(
    short_help="Show records as they come.",
    epilog="\b\nExample: fleet tail factory.readings --from kafka://localhost:9092 --machine 'filling-*'",
)
def tail(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic to read.")] = "factory.readings",
    source: Annotated[
        str | None, typer.Option("--from", metavar="URL", help=f"kafka://HOST:PORT; default {BOOTSTRAP_VARIABLE}.")
    ] = None,
    machine: Annotated[str, typer.Option(metavar="GLOB", help="Only machines that match.")] = "*",
    sensor: Annotated[str, typer.Option(metavar="GLOB", help="Only sensors that match.")] = "*",
    run_id: Annotated[str | None, typer.Option("--run", metavar="ID", help="One run only; 'last' works.")] = None,
    beginning: Annotated[bool, typer.Option("--beginning", help="From the first record, not from now.")] = False,
    count: Annotated[int | None, typer.Option(metavar="N", min=1, help="End after N records.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    kafka_config: KafkaConfig = None,
) -> None:
    """Show records as they come, decoded."""
    from fleet.session import show_tail
    from fleet.verify.tail import TailOptions

    options = TailOptions(
        machine=machine,
        sensor=sensor,
        since="run" if run_id else "beginning" if beginning else "now",
        run=None if run_id == "last" else run_id,
        count=count,
        form="json" if as_json else "colour" if sys.stdout.isatty() else "text",
    )
    show_tail(_broker(source, "--from"), topic, kafka_config, options)


@app.command(
    short_help="Read a run back and prove it.",
    epilog="\b\nExample: fleet verify quickstart --from kafka://localhost:9092",
)
def verify(
    scenario: Annotated[
        str | None, typer.Argument(metavar="[SCENARIO]", help="With it the run is regenerated and compared.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="URL", help=f"kafka://HOST:PORT or file:PATH; default {BOOTSTRAP_VARIABLE}."),
    ] = None,
    run_id: Annotated[str | None, typer.Option("--run", metavar="ID", help="Which run; default the last.")] = None,
    settings: Settings = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
    kafka_config: KafkaConfig = None,
) -> None:
    """Read a run back and prove it: order, gaps, duplicates, places, counts, digests; exit 1 if anything is wrong."""
    from fleet.session import show_verdict

    loaded = None if scenario is None else _load(scenario, settings)
    where = source if source is not None and source.startswith("file:") else _broker(source, "--from")
    raise typer.Exit(show_verdict(where, loaded, kafka_config, run=run_id, as_json=as_json))


@app.command(
    short_help="Start the embedded broker.", epilog="\b\nExample: fleet broker --port 9092 --topic factory.readings:12"
)
def broker(
    topics: Annotated[
        list[str] | None,
        typer.Option("--topic", metavar="NAME:PARTITIONS", help="A topic it has from the start. May be repeated."),
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Its port; default a free one.")] = None,
) -> None:
    """Start the embedded broker and keep it until Ctrl-C."""
    from fleet.session import keep_broker

    keep_broker([_topic_and_partitions(topic) for topic in topics or ()], port)


@app.command(short_help="List the scenarios that fleet ships.", epilog="\b\nExample: fleet scenarios")
def scenarios() -> None:
    """List the scenarios that fleet ships."""
    from fleet.scenario.load import scenario_names

    for name in scenario_names():
        typer.echo(f"{name:20} {_load(name, None).about}")


@app.command(
    short_help="Explain the kinds of machines there are.", epilog="\b\nExample: fleet kinds pump --out pump.svg"
)
def kinds(
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", help="One to explain: a name, or a kind file of your own.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="A picture of one machine: .html, .svg or .png.")
    ] = None,
    length: Annotated[str, typer.Option("--for", metavar="1h", help="How long the picture is.")] = "1h",
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List the kinds of machines there are, or explain one: sensors, normal ranges, states, wear, sources."""
    from fleet.picture.kinds import explained, listed, picture_of

    if kind is None:
        if out is not None:
            raise RequestError("--out: name the kind to draw: fleet kinds KIND --out FILE")
        text = listed(as_json=as_json)
    else:
        text = explained(kind, as_json=as_json)
        if out is not None:
            picture_of(kind, out, length_us=_duration_us("--for", length))
    typer.echo(text)
    if out is not None:
        _say(f"wrote {out}")


def main() -> NoReturn:
    """Run the command line; what fails on purpose is one line and an exit code, never a traceback."""
    code: int | None = 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts with & begin without
    try:
        code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
        sys.stdout.flush()
    except FleetError as error:
        _leave(error.exit_code, str(error))
    except USAGE as error:
        _leave(2, _usage(error))
    except KeyboardInterrupt:
        _leave(130)
    except BrokenPipeError:  # nobody reads any longer, which changes nothing about what was found
        _leave(code or 0)
    except OSError as error:
        _leave(1, f"cannot go on: {error.strerror or error}")
    except SystemExit:  # typer's own answer to a pipe that nobody reads any longer
        _leave(0)
    _leave(code or 0)


def _usage(error: Exception) -> str:
    """Say in one line what is wrong with the arguments."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "fleet"
    text = getattr(error, "format_message", error.__str__)()
    return f"{command}: {' '.join(text.split()).rstrip('.')}; see {command} --help"


def _leave(code: int, text: str = "") -> NoReturn:
    """Say *text* and exit, without a complaint about a standard output that takes nothing any more."""
    if text:
        _say(text)
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _load(name: str, settings: list[str] | None) -> Scenario:
    from fleet.api import load

    return load(name, settings=tuple(settings or ()))


def _with_arguments(
    name: str, settings: list[str] | None, *, seed: int | None, start: str | None, length: str | None
) -> Scenario:
    """Load a scenario with what --set, --seed, --start and --for say."""
    from fleet.run.clock import RealClock
    from fleet.scenario.load import with_arguments
    from fleet.scenario.times import moment

    if start == "now":  # said on the command line, it is the first reading's time whatever the speed
        start = moment(RealClock().wall_us() // 1_000_000 * 1_000_000)
    return with_arguments(_load(name, settings), seed=seed, start=start, duration=length)


def _choice(option: str, value: str | None, known: tuple[str, ...]) -> str | None:
    if value is None or value in known:
        return value
    raise RequestError(f"{option}: must be {' or '.join(known)}, got {value!r}")


def _speed(text: str) -> float:
    if text == "max":
        return float("inf")
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed <= SPEED_MAX:
        raise RequestError(f"--speed: must be 'max' or a number above 0 and at most {SPEED_MAX:,.0f}, got {text!r}")
    return speed


def _duration_us(option: str, text: str) -> int:
    from fleet.scenario.quantities import DURATION, bounded

    try:
        return round(bounded(DURATION, above=0)(text) * 1_000_000)
    except ValueError as error:
        raise RequestError(f"{option}: {error}") from None


def _said(*options: tuple[str, str | None, str | None]) -> tuple[str, ...]:
    """Give the words of the *options* (name, value, default) whose value is not the default."""
    return tuple(word for name, value, default in options if value and value != default for word in (name, value))


def _topic(name: str | None) -> str | None:
    if name == "":
        raise RequestError("--topic: must be a topic's name, or a template like 'factory.{line}', got ''")
    return name


def _bytes(option: str, text: str) -> int:
    from fleet.scenario.quantities import BYTES, bounded

    try:
        return round(bounded(BYTES, above=0)(text))
    except ValueError as error:
        raise RequestError(f"{option}: {error}") from None


def _window_s(window: str | None, linger: str | None) -> float | None:
    """Settle how long records wait for one another; the longer of the two, if any was said."""
    spans = [_duration_us(option, text) / 1e6 for option, text in (("--window", window), ("--linger", linger)) if text]
    return max(spans, default=None)


def _bootstrap_url() -> str:
    """Give the broker that the environment names, with or without its scheme."""
    return f"kafka://{os.environ[BOOTSTRAP_VARIABLE].removeprefix('kafka://')}"


def _broker(url: str | None, option: str = "--to") -> str:
    url = url or (_bootstrap_url() if os.environ.get(BOOTSTRAP_VARIABLE) else None)
    if url is None or not url.startswith("kafka://"):
        what = "no broker named" if url is None else f"must be kafka://HOST:PORT, got {url!r}"
        raise RequestError(f"{option}: {what}; use {option} kafka://HOST:PORT or set {BOOTSTRAP_VARIABLE}")
    return url


def _topic_and_partitions(text: str) -> tuple[str, int]:
    name, _, partitions = text.partition(":")
    if not name or not (partitions or "1").isdecimal() or int(partitions or 1) < 1:
        raise RequestError(f"--topic: must be NAME:PARTITIONS like factory.readings:12, got {text!r}")
    return name, int(partitions or 1)
