"""What the audit of dependencies makes of the answers that pip-audit gives."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tools.audit_dependencies import ACCEPTED, NotAskedError, audit, install, judge, main, read_accepted

SOUND = {"name": "numpy", "version": "2.4.6", "vulns": []}
SKIPPED = {
    "name": "torch",
    "skip_reason": "Dependency not found on PyPI and could not be audited: torch (2.13.0)",
}
VULNERABLE = {
    "name": "jinja2",
    "version": "3.1.4",
    "vulns": [
        {
            "id": "PYSEC-2025-1",
            "fix_versions": ["3.1.5"],
            "aliases": ["CVE-2024-56326", "GHSA-q2x7-8rv6-6q7h"],
            "description": "…",
        }
    ],
}


def report(*packages: dict[str, Any]) -> dict[str, Any]:
    """What pip-audit 2.9 prints with `--format json`."""
    return {"dependencies": list(packages), "fixes": []}


def test_nothing_found_passes() -> None:
    judgement = judge(report(SOUND), {})
    assert (judgement.failed, judgement.lines) == (False, ("audited 1 packages",))


def test_a_vulnerability_fails_and_is_named_with_its_cure() -> None:
    judgement = judge(report(SOUND, VULNERABLE), {})
    assert judgement.failed
    assert judgement.lines[0] == "VULNERABLE: jinja2 3.1.4: PYSEC-2025-1, mended in 3.1.5"


def test_one_without_cure_fails_too() -> None:
    unmended = VULNERABLE | {"vulns": [{"id": "PYSEC-2025-2", "fix_versions": [], "aliases": []}]}
    judgement = judge(report(unmended), {})
    assert judgement.failed
    assert judgement.lines[0].endswith("mended in no version yet")


@pytest.mark.parametrize("name", ["PYSEC-2025-1", "CVE-2024-56326", "GHSA-q2x7-8rv6-6q7h"])
def test_what_is_accepted_by_any_of_its_names_passes_and_is_said(name: str) -> None:
    judgement = judge(report(VULNERABLE), {name: "templates are ours"})
    assert not judgement.failed
    assert judgement.lines[0] == "accepted: jinja2 3.1.4: PYSEC-2025-1, templates are ours"


def test_a_second_vulnerability_of_an_accepted_package_fails() -> None:
    other = {"id": "PYSEC-2025-9", "fix_versions": ["3.1.6"], "aliases": []}
    both = VULNERABLE | {"vulns": [*VULNERABLE["vulns"], other]}
    assert judge(report(both), {"PYSEC-2025-1": "templates are ours"}).failed


def test_what_is_accepted_for_nothing_is_said() -> None:
    lines = judge(report(SOUND), {"PYSEC-2025-1": "templates are ours"}).lines
    assert "no longer found, remove it from accepted_vulnerabilities.toml: PYSEC-2025-1" in lines


def test_what_was_skipped_is_said() -> None:
    assert "not audited, unknown to the service: torch" in judge(report(SOUND, SKIPPED), {}).lines


def test_a_service_that_knows_nothing_is_no_clean_bill() -> None:
    """A mirror of packages answers thus, and pip-audit calls it `No known vulnerabilities found`."""
    with pytest.raises(NotAskedError, match="knows none"):
        judge(report(SKIPPED, SKIPPED), {})


def test_every_accepted_vulnerability_has_a_reason(tmp_path: Path) -> None:
    read_accepted(ACCEPTED)
    bare = tmp_path / "accepted.toml"
    bare.write_text("[PYSEC-2025-1]\nreason = ' '\n")
    with pytest.raises(ValueError, match="PYSEC-2025-1 has no reason"):
        read_accepted(bare)


def answers(monkeypatch: pytest.MonkeyPatch, code: int, stdout: str, stderr: str) -> None:
    """Let every program that is started answer thus."""
    ended = subprocess.CompletedProcess([], code, stdout, stderr)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)


def test_a_service_out_of_reach_is_said_and_passes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.audit_dependencies.install", lambda _: None)
    monkeypatch.setattr("tools.audit_dependencies._python", lambda _: sys.executable)
    answers(monkeypatch, 1, "", "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed\n")
    assert main() == 0
    assert capsys.readouterr().out == (
        "dependencies not audited: pip-audit printed no report "
        "(ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed)\n"
    )


def test_no_pip_audit_to_install_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers(monkeypatch, 1, "", "ERROR: No matching distribution found for pip-audit\n")
    with pytest.raises(NotAskedError, match=r"cannot be installed .*No matching distribution"):
        install(tmp_path)


def test_a_report_is_read_whatever_the_exit_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """pip-audit ends with 1 where it found something."""
    answers(monkeypatch, 1, '{"dependencies": [], "fixes": []}', "Found 1 known vulnerability in 1 package\n")
    assert audit(tmp_path, "numpy==2.4.6") == report()
