"""The built site: without warnings, complete, and fetching nothing."""

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest

from haploscribe.cli.main import cli
from haploscribe.embedding.backbones.catalogue import BACKBONES
from haploscribe.estimators.registry import ESTIMATOR_NAMES

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site in HAPLOSCRIBE_SITE; else built as `make docs` does, once where several processes test."""
    if "HAPLOSCRIBE_SITE" in os.environ:
        return Path(os.environ["HAPLOSCRIBE_SITE"])
    base = tmp_path_factory.getbasetemp()
    out = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "site"
    with out.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not out.exists():
            command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-c", "docs"]
            made = subprocess.run(
                [*command, "-d", str(out.with_suffix(".doctrees")), ".", str(out)],
                check=False,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
                capture_output=True,
                text=True,
            )
            assert made.returncode == 0, made.stderr
    return out


FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}


class Page(HTMLParser):
    """Ids, text, and whatever a browser fetches on its own."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids.add(found.get("id") or "")
        if value := found.get(FETCHED.get(tag, "")):
            self.fetched.append(value)
        if tag == "a" and (link := found.get("href")):
            self.links.append(link)

    def handle_data(self, data: str) -> None:
        self.text += data


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Each command by its path."""
    yield path, command
    if isinstance(command, click.Group):
        for name, verb in command.commands.items():
            yield from commands(verb, f"{path} {name}")


COMMANDS = dict(commands(cli, "haploscribe"))
OPTIONS = [
    (path, name)
    for path, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option) and not option.hidden
    for name in (*option.opts, *option.secondary_opts)
]


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_is_described(site: Path, command: str, option: str) -> None:
    wanted = f"cmdoption-{command.replace(' ', '-')}-{option.lstrip('-')}"
    assert wanted in Page(site / "docs" / "commands.html").ids


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does(site: Path, command: str) -> None:
    text = " ".join(Page(site / "docs" / "commands.html").text.split()).replace("’", "'")
    first = (COMMANDS[command].help or "").split("\n\n", maxsplit=1)[0]
    assert first
    assert " ".join(first.split()).replace("`", "") in text


@pytest.mark.parametrize("name", ESTIMATOR_NAMES)
def test_every_model_is_in_the_table(site: Path, name: str) -> None:
    assert f">{name}<" in (site / "docs" / "models.html").read_text(encoding="utf-8")


def test_every_backbone_is_in_the_table(site: Path) -> None:
    page = (site / "docs" / "backbones.html").read_text(encoding="utf-8")
    assert [entry.name for entry in BACKBONES if f">{entry.name}<" not in page] == []


def test_pages_fetch_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    fetched = {url for page in pages for url in Page(page).fetched}
    assert fetched
    assert not [url for url in fetched if re.match(r"(https?:)?//", url)]


def test_styles_fetch_nothing_from_elsewhere(site: Path) -> None:
    styles = sorted(site.rglob("*.css"))
    assert styles
    fetching = re.compile(r"(url\(\s*['\"]?|@import\s*['\"])(https?:)?//")
    assert not [style.name for style in styles if fetching.search(style.read_text(encoding="utf-8"))]


def test_links_within_the_site_lead_somewhere(site: Path) -> None:
    pages = {page.resolve(): Page(page) for page in site.rglob("*.html")}
    made_by_javascript = {"", "searchbox", "search-documentation"}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            target, _, fragment = link.partition("#")
            place = (path.parent / target).resolve() if target else path
            known = pages[place].ids if place in pages else made_by_javascript
            if not place.exists() or (fragment not in known | made_by_javascript):
                broken.append(f"{path.name}: {link}")
    assert not broken
