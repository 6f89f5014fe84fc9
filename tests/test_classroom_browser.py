"""Formgrader in a real browser: its buttons do what the commands do, and what they run stays in the closed room."""

from __future__ import annotations

import nbformat
import pytest
from browsing import WAIT, serving
from test_classroom import BURGLAR, RIGHT2, RIGHT3, WAY, answered, course_at, hand_in, snapshot, tiny

from mjcourse.classroom.mend import name_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return course_at(tmp_path_factory.mktemp("formgrader"), "tiny", tiny())


@pytest.fixture(scope="module")
def address(course, tmp_path_factory):
    """Where a JupyterLab in the folder of the course is."""
    settings = ("--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True", "--ServerApp.port_retries=0",
                "--allow-root", f"--ServerApp.root_dir={course}")  # fmt: skip
    with serving(tmp_path_factory.mktemp("server"), "jupyterlab", *settings, at=course) as (address, _):
        yield address


@pytest.fixture
def page(browser):
    page = browser.new_page()
    page.set_default_timeout(1000 * WAIT)
    yield page
    page.close()


def test_generate_makes_the_students_copy(course, address, page):
    released = course / "exercises" / "tiny" / "tiny.ipynb"
    before = nbformat.read(released, as_version=4)
    released.unlink()
    page.goto(f"{address}/formgrader/manage_assignments")
    page.locator("tr", has_text="tiny").locator(".assign a").click()
    page.locator(".modal-title:visible", has_text="Success").wait_for()
    after = nbformat.read(released, as_version=4)
    assert [cell.source for cell in after.cells] == [cell.source for cell in before.cells]
    assert not any("return factors" in cell.source for cell in after.cells)


def test_autograde_runs_hand_ins_in_the_room(course, address, page):
    release = course / "exercises" / "tiny" / "tiny.ipynb"
    burglar = BURGLAR.format(course=str(course), port=address.rsplit(":", 1)[1], pid=1_000_000)
    for student, answers in {"anna": {2: RIGHT2, 3: RIGHT3}, "bert": {2: RIGHT3.replace("times3", "times2")},
                             "carl": {2: burglar if WAY == "room" else RIGHT2}}.items():  # fmt: skip
        hand_in(course, "tiny", student, answered(nbformat.read(release, as_version=4), answers))
    before = snapshot(course)
    page.goto(f"{address}/formgrader/manage_submissions/tiny")
    for student, score in {"anna": "5 / 5", "bert": "0 / 5", "carl": "2 / 5"}.items():
        row = page.locator("tr", has_text=student)
        row.locator(".status", has_text="needs autograding").wait_for()
        row.locator(".autograde a").click()
        page.locator(".modal-title:visible", has_text="Success").wait_for()
        page.locator(".modal:visible .close, .modal:visible [data-dismiss]").first.click()
        page.locator(".modal").wait_for(state="detached")
        row.locator(".score", has_text=score).wait_for()
    assert snapshot(course) == before

    graded = nbformat.read(course / "autograded" / "bert" / "tiny" / "tiny.ipynb", as_version=4)
    (test,) = (cell for cell in graded.cells if name_of(cell) == "check-3")
    assert "not attempted" in str(test.outputs), "what was run is there to be read"
