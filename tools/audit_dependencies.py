"""Ask pip-audit whether a known vulnerability is in the versions that constraints.txt names.

    python -m tools.audit_dependencies

pip-audit is installed into a folder of its own, which is removed again. Found vulnerabilities fail, unless
tools/accepted_vulnerabilities.toml accepts them with a reason. Where nothing can be asked, for lack of a
network or of a service that knows the packages, a line says so and nothing fails.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
ACCEPTED = Path(__file__).with_name("accepted_vulnerabilities.toml")
PROBE = "numpy"
"""Is asked about first, alone: who does not know it knows nothing."""
SECONDS = 600


class NotAskedError(Exception):
    """Nothing could be asked; says why in a line."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an audit found.

    Attributes
    ----------
    lines
        To be printed.
    failed
        Whether a vulnerability was found that is not accepted.
    """

    lines: tuple[str, ...]
    failed: bool


def judge(report: dict[str, Any], accepted: dict[str, str]) -> Judgement:
    """Judge what `pip-audit --format json` printed.

    Parameters
    ----------
    report
        Its JSON: under `dependencies`, each with `name`, and `version` and `vulns`, or `skip_reason`.
    accepted
        The reason for each accepted vulnerability, by its id or one of its aliases.

    Raises
    ------
    NotAskedError
        When every package was skipped.
    """
    packages = report["dependencies"]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if len(skipped) == len(packages):
        raise NotAskedError("the vulnerability service knows none of the packages")
    lines, failed, used = [], False, set()
    for package in packages:
        for found in package.get("vulns", ()):
            names = [found["id"], *found.get("aliases", ())]
            known = next((name for name in names if name in accepted), None)
            what = f"{package['name']} {package['version']}: {found['id']}"
            if known is not None:
                used.add(known)
                lines.append(f"accepted: {what}, {accepted[known]}")
            else:
                failed = True
                mended = ", ".join(found.get("fix_versions", ())) or "no version yet"
                lines.append(f"VULNERABLE: {what}, mended in {mended}")
    lines += [
        f"no longer found, remove it from {ACCEPTED.name}: {name}" for name in accepted if name not in used
    ]
    lines.append(f"audited {len(packages) - len(skipped)} packages")
    if skipped:
        lines.append(f"not audited, unknown to the service: {', '.join(skipped)}")
    return Judgement(tuple(lines), failed)


def read_accepted(path: Path) -> dict[str, str]:
    """Read the accepted vulnerabilities: a table each, called by its id, with a `reason`.

    Raises
    ------
    ValueError
        When one has no reason.
    """
    found = {}
    for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items():
        reason = str(entry.get("reason", "")).strip()
        if not reason:
            raise ValueError(f"{path}: {name} has no reason")
        found[name] = reason
    return found


def audit(folder: Path, requirements: str) -> dict[str, Any]:
    """Ask pip-audit, installed in `folder`, about pinned requirements.

    Raises
    ------
    NotAskedError
        When it printed no report: it does so when it cannot reach the service.
    """
    file = folder / "requirements.txt"
    file.write_text(requirements, encoding="utf-8")
    arguments = ["--requirement", str(file), "--no-deps", "--disable-pip", "--progress-spinner=off"]
    # A name that does not resolve is not waited for; one that does may be slow.
    ended = _run([_python(folder), "-m", "pip_audit", *arguments, "--format=json", "--timeout=15"])
    try:
        report: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:
        raise NotAskedError(f"pip-audit printed no report ({_last_line(ended.stderr)})") from None
    return report


def install(folder: Path) -> None:
    """Install pip-audit into a virtual environment in `folder`.

    Raises
    ------
    NotAskedError
        When it cannot be had.
    """
    _run([sys.executable, "-m", "venv", str(folder / "venv")])
    pip = [_python(folder), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1"]
    ended = _run([*pip, "pip-audit"])
    if ended.returncode:
        raise NotAskedError(f"pip-audit cannot be installed ({_last_line(ended.stderr)})")


def _python(folder: Path) -> str:
    return str(folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise NotAskedError(f"no answer in {SECONDS} seconds") from None


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


def main() -> int:
    """Audit, print what was found, and give the exit code."""
    accepted = read_accepted(ACCEPTED)
    pinned = CONSTRAINTS.read_text(encoding="utf-8")
    probe = next(line for line in pinned.splitlines() if line.startswith(f"{PROBE}=="))
    try:
        with tempfile.TemporaryDirectory(prefix="haploscribe-audit-") as name:
            folder = Path(name)
            install(folder)
            judge(audit(folder, probe), {})
            judgement = judge(audit(folder, pinned), accepted)
    except NotAskedError as error:
        print(f"dependencies not audited: {error}")
        return 0
    print("\n".join(judgement.lines))
    return int(judgement.failed)


if __name__ == "__main__":
    sys.exit(main())
