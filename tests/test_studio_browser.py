"""The studio's widget in real JupyterLab and Voilà, in headless Chromium: what a person types, clicks and sees.

Elements and the addresses of pictures are looked at, never pixels of the screen. Time limits are for a machine that is
busy with something else.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from browsing import WAIT, serving

from mjcourse.config import ROOT, UserError
from mjcourse.studio.history import History
from mjcourse.weights import find_weights

pytestmark = pytest.mark.slow

CELL = "from mjcourse.studio.panel import studio_panel\n\nstudio_panel()"
READY = """async () => {  // when a notebook can be run: before, the command is lost now and then
  const app = window.jupyterapp;
  if (!app) return false;
  await app.restored;
  const panel = app.shell.currentWidget;
  if (!panel?.context) return false;
  await panel.context.ready;
  await panel.sessionContext.ready;
  const kernel = panel.sessionContext.session?.kernel;
  if (!kernel) return false;
  await kernel.info;
  app.shell.activateById(panel.id);
  return app.commands.isEnabled('notebook:run-all-cells');
}"""
SOURCES = """() => [...document.querySelectorAll('.mj-slot')]
  .filter(slot => slot.offsetParent !== null).map(slot => slot.querySelector('img').src)"""


def write_notebook(folder: Path) -> Path:
    """Put a notebook with the studio and nothing else into a folder."""
    path = folder / "studio.ipynb"
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "outputs": [], "source": CELL}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def lab(home):
    """A running JupyterLab; yields its address and its process."""
    (home / "work").mkdir()
    write_notebook(home / "work")
    settings = ("--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True", "--ServerApp.port_retries=0",
                "--LabApp.expose_app_in_browser=True", "--allow-root",
                f"--ServerApp.root_dir={home / 'work'}")  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MJCOURSE_PROFILE", "ci")  # for the chapter
        with serving(home, "jupyterlab", *settings) as running:
            yield running


class Seen:
    """A browser's page with the studio, as a person sees it."""

    def __init__(self, browser, width: int = 1000) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 1400})
        self.page.set_default_timeout(1000 * WAIT)

    def open_lab(self, address: str, notebook: str = "studio.ipynb") -> None:
        """Open a notebook, run it, and wait for the studio."""
        self.page.goto(f"{address}/lab/tree/{notebook}?reset")
        until = time.monotonic() + WAIT
        while not self.page.evaluate(READY):
            assert time.monotonic() < until
            time.sleep(0.3)
        self.page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        self.run_all()

    def run_all(self) -> None:
        """Run the notebook's cells from the top, as the menu does, and wait for the studio."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('editmenu:clear-all')")
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.prompt.wait_for()

    @property
    def prompt(self):
        return self.page.locator(".mj-prompt input").last

    def press(self, name: str) -> None:
        """Press a button by its words, beside which it may have an icon."""
        words = re.compile(rf"^\s*{re.escape(name)}\s*$")
        self.page.locator(".mj-studio button:visible", has_text=words).first.click()

    def tab(self, name: str) -> None:
        self.page.locator(".mj-studio .lm-TabBar-tab", has_text=name).click()

    def wait(self, told: str, *values) -> None:
        """Wait until a condition in JavaScript holds."""
        self.page.wait_for_function(told, arg=list(values), timeout=1000 * WAIT)

    def wait_title(self, *words: str) -> None:
        """Wait until the line over the pictures has some words, and nothing is under way."""
        self.wait("words => { const at = document.querySelector('.mj-title')?.innerText ?? '';"
                  " return words.every(word => at.includes(word)) && !document.querySelector('.mj-under-way'); }",
                  *words)  # fmt: skip

    def wait_said(self, words: str) -> None:
        """Wait until the line of messages has some words."""
        self.wait("([words]) => document.querySelector('.mj-message')?.innerText.includes(words)", words)

    def sources(self) -> list[str]:
        """The addresses of the pictures in the grid."""
        return self.page.evaluate(SOURCES)

    def draw(self, text: str, kind: str = "imagine") -> list[str]:
        """Type a command that is not drawn yet, press Enter, wait for its pictures; return their addresses."""
        self.prompt.fill(text)
        self.prompt.press("Enter")
        self.wait_title(*text.split(" --"), kind)  # with the words alone, the grid before might do
        return self.sources()


@pytest.fixture(scope="module")
def seen(browser, lab):
    """The studio in JupyterLab, just opened."""
    one = Seen(browser)
    one.open_lab(lab[0])
    yield one
    one.page.close()


def test_an_english_prompt_becomes_four_pictures_with_progress(seen):
    page = seen.page
    page.evaluate("""() => {  // note all that is shown from now on
      window.shown = {bars: new Set(), pictures: new Set()};
      const look = () => {
        const bar = document.querySelector('.mj-studio .progress-bar');
        if (bar) window.shown.bars.add(bar.style.width);
        for (const image of document.querySelectorAll('.mj-slot img')) window.shown.pictures.add(image.src);
      };
      window.looking = setInterval(look, 30);
    }""")
    seen.prompt.press_sequentially("a red house by the sea --seed 5 --steps 60", delay=5)
    seen.prompt.press("Enter")
    seen.wait_title("a red house by the sea", "imagine")
    pictures = seen.sources()
    assert len(pictures) == 4 and len(set(pictures)) == 4 and all(source.startswith("blob:") for source in pictures)
    sizes = page.evaluate("() => [...document.querySelectorAll('.mj-slot img')].map(i => [i.naturalWidth, i.width])")
    assert sizes == [[256, 256]] * 4
    shown = page.evaluate("() => (clearInterval(window.looking), [window.shown.bars.size, window.shown.pictures.size])")
    assert shown[0] >= 4, "the bar moved"
    assert shown[1] >= 3 * 4, "pictures were seen before they were done"


def test_a_chinese_prompt_and_its_words(seen):
    before = seen.sources()
    pictures = seen.draw("太阳沙滩大海 --seed 7")
    assert len(pictures) == 4 and not set(pictures) & set(before)
    chips = seen.page.locator(".mj-studio .mj-chip:visible").all_inner_texts()
    assert "灯塔" in chips, "the words to choose from are Chinese now"
    fonts = seen.page.evaluate("() => getComputedStyle(document.querySelector('.mj-title')).fontFamily")
    assert "CJK" in fonts or "SC" in fonts


def test_an_unknown_word_is_named_while_typing_and_replaced_by_a_click(seen):
    seen.prompt.fill("a big dog by the sea")
    seen.page.get_by_text("unknown word 'dog': the model never saw it").wait_for()
    seen.press("dog → cat")
    seen.wait("() => document.querySelector('.mj-prompt input').value === 'a big cat by the sea'")


def test_a_mistake_is_shown(seen):
    seen.prompt.fill("a house --chaos 101")
    seen.press("Imagine")
    seen.wait_said("--chaos is 101; allowed are 0 to 100.")


def test_cancel_takes_effect_at_once_and_the_old_pictures_come_back(seen):
    old = seen.draw("a tent --seed 1 --steps 8")
    seen.prompt.fill("a castle --steps 200")
    seen.prompt.press("Enter")
    seen.wait("() => document.querySelector('.mj-under-way')")
    seen.wait("([old]) => !(" + SOURCES + ")().some(source => old.includes(source))", old)  # its previews are there
    began = time.monotonic()
    seen.press("Cancel")
    seen.wait_said("cancelled: a castle --seed")
    assert time.monotonic() - began < 5  # 1 s on a machine of one's own
    seen.wait_title("a tent", "imagine")
    assert len(seen.sources()) == 4


def test_vary_zoom_pan_and_undo(seen):
    old = seen.draw("a red house by the sea --seed 5 --steps 8")
    for name, kind, width in (("V2", "vary", 256), ("Zoom out", "zoom", 4 * 72), ("→", "pan", 256)):
        seen.press(name)
        seen.wait_title(kind)
        seen.wait("([old]) => { const now = (" + SOURCES + ")();"
                  " return now.length === 4 && !now.some(source => old.includes(source)); }", old)  # fmt: skip
        seen.wait("([width]) => [...document.querySelectorAll('.mj-slot img')].every(i => i.naturalWidth === width)",
                  width)  # fmt: skip
        seen.press("Undo")
        seen.wait_title("a red house by the sea --seed 5 --steps 8", "imagine")


def test_stars_are_given_and_stay(seen):
    seen.draw("a lighthouse --seed 2 --steps 8")
    seen.press("select picture 3")
    seen.page.get_by_text("Picture 3", exact=True).wait_for()
    seen.page.get_by_title("4 of 5 stars").click()
    seen.page.locator(".mj-caption", has_text="★★★★☆").wait_for()
    assert seen.page.locator(".mj-slot").nth(2).inner_text().strip().endswith("★★★★☆")


def test_a_region_is_marked_over_the_picture_and_drawn_anew(seen):
    seen.draw("a lighthouse --seed 3 --steps 8")
    seen.tab("Region")
    cells = seen.page.locator(".mj-region .widget-toggle-button:visible")
    assert cells.count() == 64
    picture = seen.page.evaluate("() => getComputedStyle(document.querySelector('.mj-region')).backgroundImage")
    assert picture.startswith('url("data:image/png')
    for i in (0, 1, 8, 9):
        cells.nth(i).click()
    seen.page.get_by_placeholder("what shall be there").fill("a red sun --steps 8")
    seen.press("Draw anew")
    seen.wait_title("a red sun", "region")
    seen.tab("Gallery")


def test_a_filter_is_seen_at_once_and_kept(seen):
    seen.draw("a lighthouse --seed 4 --steps 8")
    seen.tab("Filters")
    image = seen.page.locator(".mj-desk .widget-image:visible").last
    before = image.get_attribute("src")
    seen.page.get_by_label("look").select_option("noir")
    seen.wait("([old]) => { const all = [...document.querySelectorAll('.mj-desk img')].filter(i => i.offsetParent);"
              " return all.at(-1).src !== old; }", before)  # fmt: skip
    assert seen.page.get_by_placeholder("the chain as text").input_value() == "look noir"
    seen.press("Keep picture")
    seen.wait_title("filter")
    assert len(seen.sources()) == 1
    seen.tab("Gallery")


def test_u_enlarges_a_picture_or_says_what_is_missing(seen):
    seen.draw("a red house by the sea --seed 5")
    seen.press("U1")
    try:
        find_weights("upscaler")
    except UserError:
        seen.wait_said("there are no weights for 'upscaler'")
        pytest.skip("the upscaler's weights are not there; that it says so was seen")
    seen.wait_title("upscale")
    assert len(seen.sources()) == 1
    assert seen.page.evaluate("() => document.querySelector('.mj-slot img').naturalWidth") == 512


def test_a_picture_from_the_gallery_puts_its_settings_back(seen):
    text = "a snowy forest --seed 11 --steps 8 --chaos 20"  # as a command spells itself
    first = seen.draw(text)
    seen.draw("a tent --seed 1 --steps 8")
    seen.tab("Gallery")
    card = seen.page.locator(".mj-card", has_text="a snowy forest").first
    card.get_by_role("button", name="to prompt").click()
    seen.wait("([text]) => document.querySelector('.mj-prompt input').value === text", text)
    card.get_by_role("button", name="open").click()
    seen.wait_title("a snowy forest", "imagine")
    assert len(seen.sources()) == len(first) == 4


def test_a_job_is_looked_at_deleted_and_put_back(seen):
    seen.draw("a snowy city --seed 12 --steps 4")
    seen.draw("a tent --seed 1 --steps 4")
    seen.tab("Gallery")
    cards = seen.page.locator(".mj-card:visible", has_text="a snowy city")
    cards.get_by_role("button", name="info").click()
    seen.page.locator(".mj-info:visible", has_text="steps: 4").wait_for()
    cards.get_by_role("button", name="delete").click()
    seen.wait_said("deleted: a snowy city")
    assert cards.count() == 0
    seen.press("undo delete")
    seen.wait_title("a snowy city", "imagine")
    assert cards.count() == 1 and len(seen.sources()) == 4


def test_the_keyboard_alone_is_enough(seen):
    page = seen.page
    seen.prompt.fill("a whale --seed 3 --steps 8")
    seen.prompt.press("Enter")
    seen.wait_title("a whale", "imagine")
    page.get_by_role("button", name="select picture 2").focus()
    page.keyboard.press("Space")
    page.get_by_text("Picture 2", exact=True).wait_for()
    names = []
    for _ in range(12):
        page.keyboard.press("Tab")
        names.append(page.evaluate("() => document.activeElement.innerText || document.activeElement.title"))
    assert names[:2] == ["select picture 3", "select picture 4"] and {"U1", "U4"} <= set(names)


@pytest.mark.parametrize("width", [1000, 780])
def test_nothing_is_wider_than_the_notebook(browser, lab, width):
    """At 780 pixels the notebook's pane is 700 wide, beside the bars at both sides."""
    one = Seen(browser, width)
    try:
        one.open_lab(lab[0])
        one.draw("a city --ar 2:1 --steps 4")
        for name in ("Gallery", "Filters", "Region", "Blend", "Words", "Settings", "Info"):
            one.tab(name)
            time.sleep(0.3)
            wide = one.page.evaluate("""() => {
              const output = document.querySelector('.mj-studio').closest('.jp-OutputArea-output');
              const edge = output.getBoundingClientRect();
              return [...document.querySelectorAll('.mj-studio *')].filter(part => part.offsetParent
                && part.getBoundingClientRect().right > edge.right + 1).map(part => part.className);
            }""")
            assert wide == [], name
            cut = one.page.evaluate("""() => [...document.querySelectorAll('.mj-studio button')].filter(button =>
              button.offsetParent && !button.closest('.mj-slot, .mj-region')
              && button.scrollWidth > button.clientWidth + 1).map(button => button.innerText)""")
            assert cut == [], name
    finally:
        one.page.close()


def test_a_saved_notebook_still_shows_the_grid(browser, lab, home):
    one = Seen(browser)
    try:
        one.open_lab(lab[0])
        one.draw("a palm tree --steps 4")
        one.press("Keep in notebook")
        one.wait_said("stays in the notebook when it is saved")
        one.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        file, until = home / "work" / "studio.ipynb", time.monotonic() + WAIT
        while "image/png" not in file.read_text("utf-8"):
            assert time.monotonic() < until
            time.sleep(0.2)
    finally:
        one.page.close()


def kernels(server: subprocess.Popen) -> list[psutil.Process]:
    """The kernels of a Jupyter server."""
    return [process for process in psutil.Process(server.pid).children(recursive=True)
            if "ipykernel_launcher" in " ".join(process.cmdline())]  # fmt: skip


@pytest.mark.parametrize("how", ["restarted", "killed while it draws"])
def test_the_history_and_the_stars_are_found_again_after_the_kernel_is(browser, lab, home, how):
    address, server = lab
    one = Seen(browser)
    try:
        one.open_lab(address)
        one.draw("a windmill --seed 4 --steps 8")
        one.page.get_by_title("5 of 5 stars").click()
        one.page.locator(".mj-caption", has_text="★★★★★").wait_for()
        before = [entry.id for entry in History(home / "runs" / "studio").entries()]
        one.page.evaluate("""() => {
          window.kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
          window.statuses = [];
          window.kernel.statusChanged.connect((_, status) => window.statuses.push(status));
        }""")
        if how == "restarted":
            one.page.evaluate("async () => { await window.kernel.restart(); await window.kernel.info; }")
        else:
            one.prompt.fill("a castle --steps 200")
            one.prompt.press("Enter")
            one.wait("() => document.querySelector('.mj-under-way')")
            for kernel in kernels(server):
                kernel.send_signal(signal.SIGKILL)
            one.wait("() => { const at = window.statuses.indexOf('autorestarting');"
                     " return at >= 0 && window.statuses.indexOf('idle', at) >= 0; }")  # fmt: skip
            one.page.locator(".jp-Dialog .jp-mod-accept").click()  # JupyterLab says that the kernel died
        one.run_all()
        one.wait_title("a windmill", "imagine")
        one.page.locator(".mj-caption", has_text="★★★★★").wait_for()
        assert [entry.id for entry in History(home / "runs" / "studio").entries()] == before
        assert f"{len(before)} job" in one.page.locator(".mj-studio").inner_text()
        assert len(one.draw("a cat --steps 4")) == 4
    finally:
        one.page.close()


def test_chapter_13_is_opened_run_and_drawn_with(browser, lab, home):
    shutil.copy(ROOT / "notebooks" / "13_studio.ipynb", home / "work" / "chapter.ipynb")
    one = Seen(browser)
    try:
        one.open_lab(lab[0], "chapter.ipynb")
        one.wait("""() => {  // until the last cell, the evidence, was run
          const cells = [...window.jupyterapp.shell.currentWidget.model.cells].filter(cell => cell.type === 'code');
          return cells.at(-1).executionCount !== null;
        }""")
        broken = one.page.evaluate("""() => [...window.jupyterapp.shell.currentWidget.model.cells]
          .flatMap(cell => cell.type === 'code' ? cell.outputs.toJSON() : [])
          .filter(output => output.output_type === 'error').map(output => output.ename + ': ' + output.evalue)""")
        assert broken == []
        one.page.evaluate("""async () => {  // JupyterLab shows what is in sight alone
          const notebook = window.jupyterapp.shell.currentWidget.content;
          const at = notebook.widgets.findIndex(cell => cell.model.sharedModel.source === 'studio_panel()');
          await notebook.scrollToItem(at, 'start');
        }""")
        pictures = one.draw("a red lighthouse by the sea --seed 6 --steps 8") + one.draw("雪山 --seed 6 --steps 8")
        assert len(set(pictures)) == 8
    finally:
        one.page.close()


def test_voila_serves_the_studio_too(browser, home):
    if importlib.util.find_spec("voila") is None:
        pytest.skip("voila is not installed: pip install voila")
    folder = home / "voila"
    folder.mkdir()
    notebook = write_notebook(folder)
    with serving(folder, "voila", str(notebook), "--Voila.ip=127.0.0.1") as (address, _):
        one = Seen(browser)
        try:
            one.page.goto(address)
            one.prompt.wait_for()
            assert len(one.draw("太阳沙滩大海 --steps 8")) == 4
            one.press("V1")
            one.wait_title("vary")
        finally:
            one.page.close()
