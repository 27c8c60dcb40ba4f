"""The answers as JUnit XML, which every CI shows.

Of a comparison a test per case, failed where it regressed; of a bisection a test per commit tried.
"""

from xml.etree import ElementTree as ET

from bench.compare import stage_words
from bench.compare.bisect import BisectResult
from bench.compare.request import HEAD
from bench.compare.result import ComparisonResult
from bench.stats.verdict import CaseVerdict, Verdict

SUITE, BISECTION = "bench compare", "bench bisect"


def render(result: ComparisonResult) -> str:
    """Return the XML: regressed and missing cases fail, undecided ones are skipped.

    The time of a case is the head's, of one call.
    """
    suite = ET.Element("testsuite", name=SUITE, time=f"{result.elapsed_s:.1f}")
    for name, change in result.timed.by_name.items():
        test = _test(suite, name)
        if (measured := result.measured.get(name)) is not None:
            test.set("time", f"{measured.latencies_s[HEAD]:.6f}")
        _add_change(test, change, _said(result, name), result.control_drifted)
    for case_id, reason in result.failed.items():
        ET.SubElement(_test(suite, case_id), "failure", message=f"missing: {reason}")
    for case_id, reason in result.died.items():
        message = f"undecided, died while it was measured: {reason}"
        ET.SubElement(_test(suite, case_id), "skipped", message=message)
    return _counted(suite)


def render_bisection(result: BisectResult) -> str:
    """Return the XML: what made it slower fails, commits that cannot be run are skipped."""
    suite = ET.Element("testsuite", name=BISECTION)
    *before, found = result.located.suspects
    for commit, slow in result.located.tried.items():
        test = _test(suite, f"{commit[:10]} {result.subjects[commit]}")
        if commit == found:
            ET.SubElement(test, "failure", message="; ".join(result.lines()))
        elif slow is None:
            perhaps = ", and may be the one" if commit in before else ""
            ET.SubElement(test, "skipped", message=f"cannot be run{perhaps}")
        else:
            ET.SubElement(test, "system-out").text = "slow" if slow else "fast"
    return _counted(suite)


def _counted(suite: ET.Element) -> str:
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _add_change(test: ET.Element, change: CaseVerdict, ratio: str, control_drifted: bool) -> None:
    if control_drifted:
        ET.SubElement(test, "skipped", message="undecided: the base differs from itself")
    elif change.verdict is Verdict.REGRESSED:
        ET.SubElement(test, "failure", message=f"regressed: {ratio}")
    elif change.verdict is Verdict.UNDECIDED:
        why = (
            "left to all cases together"
            if change.left_to_overall
            else "too little could be measured"
        )
        ET.SubElement(test, "skipped", message=f"undecided, {why}: {ratio}")
    else:
        ET.SubElement(test, "system-out").text = f"{change.verdict}: {ratio}"


def _said(result: ComparisonResult, name: str) -> str:
    change = result.timed.by_name[name]
    ratio = [] if change.ratio is None else [f"head / base = {change.ratio.value:.4f}"]
    within = ["surely there, within the tolerance"] if change.tolerated else []
    return "; ".join([*ratio, *stage_words.changes(result, name), *within])


def _test(suite: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=suite.get("name", ""), name=name)
