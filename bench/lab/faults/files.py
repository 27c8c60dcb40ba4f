"""Files that come from anyone: results, what lies beside them, journals, stores, pictures."""

import functools
import importlib
import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

from bench.engine.plan import CaseState
from bench.engine.stopping import HalfWidth
from bench.lab.faults import mutations
from bench.lab.faults.attempt import Call, Place, Tried, command, problem_of
from bench.run.results_json import panet_key
from bench.schema import journal
from bench.schema.case import Case
from bench.schema.files import CEILINGS, JOURNAL, PROFILE, RESULTS

REPORTS = "reports.__main__"
"""By its name: what measures knows nothing of what reads."""

OF_RESULTS = {
    "compare": (8, ("compare", "{good}", "{bad}")),
    "as base": (4, ("compare", "{bad}", "{good}")),
    "page of compare": (1, ("compare", "{good}", "{bad}", "--out", "{out}")),
    "history": (2, ("history", "{bad}", "--out", "{out}")),
    "store": (1, ("history", "{bad}", "--store", "{out}/store", "--out", "{out}")),
    "github": (3, ("export", "github", "{bad}", "--out", "{out}/a.json")),
    "bencher": (3, ("export", "bencher", "{bad}", "--out", "{out}/a.json")),
    "otava": (3, ("export", "otava", "{bad}", "--out", "{out}/otava")),
    "asv": (3, ("export", "asv", "{bad}", "--out", "{out}/asv")),
    "profile": (1, ("profile", "{run}", "--out", "{out}")),
    "cost": (0.5, ("cost", "{bad}", "--out", "{out}")),
}
"""What reads a result file -> how often, and how it is called. What draws takes long."""

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "TGA", "AVIF", "JPEG2000")


def results(place: Place, random: Random) -> Tried:
    """Damage the result file of the sample, and read it with one of our commands."""
    run = copied(place)
    what, content = mutations.damaged(_json(place.sample / RESULTS), random)
    (run / RESULTS).write_bytes(content)
    name = random.choices(list(OF_RESULTS), [often for often, _ in OF_RESULTS.values()])[0]
    return _read(place, run, OF_RESULTS[name][1], f"{name}: {what}")


def beside_results(place: Place, random: Random) -> Tried:
    """Damage a file that lies beside the results, and read the run."""
    run = copied(place)
    there = sorted(run.glob("*.json")) + sorted(run.rglob(PROFILE))
    chosen = random.choice([path for path in there if path.name != RESULTS])
    what, content = mutations.damaged(_json(chosen), random)
    chosen.write_bytes(content)
    draws = chosen.name not in (PROFILE, CEILINGS) and random.random() < 0.3
    words = ("cost" if draws else "profile", "{run}", "--out", "{out}")
    return _read(place, run, words, f"{words[0]}: {chosen.name}: {what}")


def journals(place: Place, random: Random) -> Tried:
    """Damage a journal, read it, and compute what a run that goes on computes of it."""
    lines = (place.sample / JOURNAL).read_bytes().splitlines(keepends=True)
    if random.random() < 0.2:
        what, content = mutations.damaged_bytes(b"".join(lines), random)
    else:
        number = random.randrange(len(lines))
        what, line = mutations.damaged(json.loads(lines[number]), random)
        what = f"line {number + 1}: {what}"
        content = b"".join([*lines[:number], line + b"\n", *lines[number + 1 :]])
    (place.folder / JOURNAL).write_bytes(content)
    outcomes = _json(place.sample / RESULTS)["panet"]["outcomes"]
    cases = {outcome["case_id"]: outcome["case"] for outcome in outcomes}
    work = functools.partial(_go_on, place.folder, cases)
    return Tried(what, problem_of(Call(work), place))


def _go_on(folder: Path, cases: dict[str, Any]) -> int:
    entries = journal.read(folder)
    rule, found = HalfWidth(0.02), []
    for case_id, case in cases.items():
        state = CaseState(Case.from_json(case), entries.findings.get(case_id))
        for replicate in entries.replicates.get(case_id, ()):
            state.add(replicate)
        if state.finding is not None:
            rule.missing(state)
            rule.estimate(state)
            found.append(rule.result(state))
    json.dumps(panet_key(entries.header, found))
    return 0


def stores(place: Place, random: Random) -> Tried:
    """Damage a store of a history, and read it."""
    store, run = place.folder / "store", copied(place)
    sound = _sound_store(place)
    if isinstance(sound, str):
        return Tried("a sound store", sound)
    shutil.copytree(sound, store)
    parts = sorted(store.rglob("*.parquet"))
    chosen = random.choice(parts)
    how = random.random()
    if how < 0.7:
        what, content = mutations.damaged_bytes(chosen.read_bytes(), random)
        chosen.write_bytes(content)
    elif how < 0.85:
        name = str(random.choice([x for x in mutations.HOSTILE if isinstance(x, str)]))[:80]
        name = name.replace("/", "_").replace("\0", "_").encode(errors="replace").decode()
        moved = store / f"fingerprint={name}" / chosen.parent.name
        moved.mkdir(parents=True, exist_ok=True)
        chosen.rename(moved / chosen.name)
        what = f"a machine called {name!a}"
    else:
        what = f"a foreign file {chosen.name}"
        (chosen.parent / "foreign.parquet").write_bytes(random.choice((b"", b"PAR1", b"[]")))
    return _read(place, run, ("history", "--store", "{out}/../store", "--out", "{out}"), what)


def _sound_store(place: Place) -> Path | str:
    """Return a store with the sample in it, which is made once; or what went wrong with it."""
    kept = place.sample.parent / "store"
    if not kept.exists():
        words = ("history", str(place.sample / RESULTS), "--store", str(place.folder / "made"))
        made = command(REPORTS, *words, "--out", str(place.folder))
        if problem := problem_of(made, place):
            return problem
        (place.folder / "made").rename(kept)
    return kept if list(kept.rglob("*.parquet")) else "nothing was stored"


def pictures(place: Place, random: Random) -> Tried:
    """Damage a picture of some format, and make a batch of it."""
    from PIL import Image

    kind = random.choice(FORMATS)
    folder = place.folder / "pictures"
    folder.mkdir()
    path = folder / f"{_file_name(random)}.{kind.lower()}"
    mode = random.choice(("RGB", "L", "P", "1")) if kind in ("PNG", "TIFF", "GIF", "BMP") else "RGB"
    size = random.choice(((40, 30), (1, 1), (300, 2), (64, 64)))
    try:
        Image.effect_noise(size, 60).convert("RGB").convert(mode).save(path, kind)
    except (OSError, ValueError):  # that size, or that mode, is none of the format
        return Tried(f"{kind} cannot be written here")
    what, content = mutations.damaged_bytes(path.read_bytes(), random)
    path.write_bytes(content)
    work = functools.partial(_batch, folder)
    return Tried(f"{kind} {mode} {size}: {what}", problem_of(Call(work), place))


def _file_name(random: Random) -> str:
    """Return a name that a file can have, and that is hostile now and then."""
    if random.random() < 0.8:
        return "picture"
    names = [text for text in mutations.HOSTILE if isinstance(text, str)]
    name = random.choice(names).replace("/", "_").replace("\0", "_")
    return name.encode(errors="replace").decode()[:50]


def _batch(folder: Path) -> int:
    from bench.workload.images import load_batch

    load_batch(2, 32, 32, str(folder))
    return 0


@functools.cache
def warm() -> None:
    """Pack what draws our pages, which every process does once."""
    importlib.import_module("reports.pages.page")._plotly()


def _read(place: Place, run: Path, words: tuple[str, ...], what: str) -> Tried:
    names = {"good": place.sample, "run": run, "bad": run / RESULTS, "out": place.folder / "out"}
    names["out"].mkdir(exist_ok=True)
    warm()
    call = command(REPORTS, *(word.format(**names) for word in words))
    return Tried(what, problem_of(call, place))


def copied(place: Place) -> Path:
    """Copy what is read of the sample; its traces are large, and are not read."""
    run = place.folder / "run"
    shutil.copytree(
        place.sample, run, ignore=shutil.ignore_patterns("*.gz", "*.html", "dashboards", JOURNAL)
    )
    return run


def _json(path: Path) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(path.read_text(encoding="utf-8"))
