"""The verdicts as JUnit XML, which every CI shows: a test per case, failed where it regressed."""

from xml.etree import ElementTree as ET

from bench.compare.comment import stage_change
from bench.compare.request import HEAD
from bench.compare.result import ComparisonResult
from bench.stats.verdict import CaseVerdict, Verdict

SUITE = "bench compare"


def render(result: ComparisonResult) -> str:
    """Return the XML: regressed and missing cases fail, undecided ones are skipped.

    The time of a case is the head's, of one call.
    """
    suite = ET.Element("testsuite", name=SUITE, time=f"{result.elapsed_s:.1f}")
    for name, change in result.timed.by_name.items():
        test = _test(suite, name)
        if (measured := result.measured.get(name)) is not None:
            test.set("time", f"{measured.latencies_s[HEAD]:.6f}")
        _add_change(test, change, result.control_drifted)
    for case_id, reason in result.failed.items():
        ET.SubElement(_test(suite, case_id), "failure", message=f"missing: {reason}")
    for case_id, reason in result.died.items():
        message = f"undecided, died while it was measured: {reason}"
        ET.SubElement(_test(suite, case_id), "skipped", message=message)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _add_change(test: ET.Element, change: CaseVerdict, control_drifted: bool) -> None:
    ratio = _said(change)
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


def _said(change: CaseVerdict) -> str:
    ratio = [] if change.ratio is None else [f"head / base = {change.ratio.value:.4f}"]
    within = ["surely there, within the tolerance"] if change.tolerated else []
    return "; ".join([*ratio, *map(stage_change, change.named), *within])


def _test(suite: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=SUITE, name=name)
