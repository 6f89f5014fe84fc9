"""The studio without its widget: jobs that can be made again, what is refused, stars, files with labels."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from studio_painter import WAIT, Painter, done, painting, soon

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.scenes import ASPECTS
from mjcourse.feedback.ratings import RatingStore
from mjcourse.studio import wording
from mjcourse.studio.command import SEED_MAX, Command, parse
from mjcourse.studio.entry import KINDS
from mjcourse.studio.filters import apply_filters
from mjcourse.studio.history import History
from mjcourse.studio.inbox import nearest_aspect, to_frame
from mjcourse.studio.labels import GENERATED, read_labels
from mjcourse.studio.labels import KINDS as LABELS
from mjcourse.studio.signature import SIGNED
from mjcourse.studio.studio import AskFirst, Studio
from mjcourse.studio.task import FRAMES, LATENT, Task, in_frame, to_mask, to_rows, wider
from mjcourse.weights import find_weights


@pytest.fixture
def painter():
    painter = Painter()
    yield painter
    painter.go.release(1000)


@pytest.fixture
def make(runs):
    """Make studios on the test's own runs, which are closed afterwards."""
    made = []

    def studio(draw=None, **parts) -> Studio:
        made.append(Studio(**parts))
        if draw is not None:
            made[-1].engine.draw = draw
        return made[-1]

    yield studio
    for one in made:
        one.close()


@pytest.fixture
def studio(make, painter):
    """A studio that paints with `Painter`."""
    return make(painter)


def grid(studio, text: str = "a red house --seed 5", **settings):
    return done(studio.imagine(text, **settings)[0])


# ---- light to import -----------------------------------------------------------------------------


def test_the_studio_loads_neither_torch_nor_widgets_before_it_draws():
    code = """
import sys
from mjcourse.studio.studio import Studio
studio = Studio()
studio.read("a red house {a, b} --ar 3:2"), studio.unknown("a dog")
print([name for name in ("torch", "ipywidgets", "matplotlib", "transformers") if name in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=WAIT)
    assert out.stdout.strip() == "[]"


# ---- from words ----------------------------------------------------------------------------------


def test_a_prompt_becomes_a_job_in_the_history(studio):
    (job,) = studio.imagine("a red house --seed 5", chaos=30)
    done(job)
    entry = studio.history.find(job.id)
    assert (entry.kind, entry.parent, entry.index, entry.seeds) == ("imagine", None, None, (5, 6, 7, 8))
    assert parse(entry.command) == Command("a red house", 5, chaos=30) == parse(studio.reload(job.id))
    assert np.array_equal(studio.pictures(job.id), [painting(seed) for seed in (5, 6, 7, 8)])
    assert np.array_equal(studio.history.pictures(job.id), job.pictures)


def test_what_is_typed_counts_more_than_the_settings_beside(studio):
    (command,) = studio.read("a red house --chaos 0", chaos=30, steps=9)
    assert (command.chaos, command.steps) == (0, 9)
    first, second = studio.read("a {red --chaos 5, blue} house", chaos=30)
    assert (first.chaos, second.chaos) == (5, 0), "a flag in one permutation is typed for all of them"
    with pytest.raises(UserError, match="--chaos is 101"):
        studio.imagine("a house", chaos=101)


def test_permutations_are_jobs_in_order_and_many_are_asked_for_first(studio, painter):
    jobs = studio.imagine("a {red, blue} {house, tent} --seed 1")
    assert [str(done(job).command) for job in jobs] == [
        f"a {colour} {thing} --seed 1" for colour in ("red", "blue") for thing in ("house", "tent")
    ]
    drawn = len(painter.tasks)
    with pytest.raises(AskFirst, match=r"makes 5 grids.*confirmed=True") as question:
        studio.imagine("a house --repeat 5")
    assert question.value.count == 5 and len(painter.tasks) == drawn and not studio.waiting
    jobs = studio.imagine("a house --repeat 5 --seed 1", confirmed=True)
    assert [done(job).seeds[0] for job in jobs] == [1, 5, 9, 13, 17]
    with pytest.raises(UserError, match="this text makes 50 commands; allowed are 40"):
        studio.imagine("{a,b,c,d,e} house --repeat 10", confirmed=True)


@pytest.mark.parametrize("text", ["", " --seed 5", "a house --sede 5", "a house --ar 7:1", "{a, b", "x" * 10_000])
def test_a_mistake_in_a_prompt_is_told_at_once_and_nothing_is_drawn(studio, painter, text):
    with pytest.raises(UserError) as caught:
        studio.imagine(text)
    assert "\n" not in str(caught.value) and not painter.tasks


def test_a_picture_that_a_flag_names_is_looked_at_before_the_job_is_queued(studio, tmp_path):
    for flag in ("--init", "--sref"):
        with pytest.raises(UserError, match="there is no file"):
            studio.imagine(f"a house {flag} {tmp_path}/house.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UserError, match=r"cannot use 'text\.png' as a picture: not a picture"):
        studio.imagine(f"a house --init {tmp_path}/text.png")
    Image.fromarray(painting(1)).save(tmp_path / "house.png")
    assert done(studio.imagine(f"a house --init {tmp_path}/house.png")[0]).command.init == f"{tmp_path}/house.png"


def test_unknown_words_are_those_of_the_prompt_and_not_of_its_flags(studio):
    assert [item.word for item in studio.unknown("a dog by the {sea, xyzzy} --style poster --sref pingu.png")] == [
        "dog", "xyzzy"
    ]  # fmt: skip
    assert studio.unknown("太阳沙滩大海 --seed 3") == [] == studio.unknown("--seed 3")


def test_a_job_that_fails_says_why_and_the_next_one_is_drawn(make):
    def draw(task, report):
        if "bad" in task.prompt:
            raise UserError("there are no weights.")
        return painting(1)[None]

    studio = make(draw)
    bad, good = (studio.imagine(text)[0] for text in ("a bad house", "a house"))
    assert bad.wait(WAIT) and (bad.state, bad.error) == ("failed", "there are no weights.")
    assert done(good) and [entry.id for entry in studio.history.entries()] == [good.id]


# ---- from pictures: what is kept of a job --------------------------------------------------------

MASK = np.zeros((8, 8), bool)
MASK[:3, 2:5] = True
CHANGES = {  # kind → how it is asked for
    "vary": lambda s, id, **more: s.vary(id, 1, "strong", **more),
    "remix": lambda s, id, **more: s.remix(id, 1, "a blue castle", "subtle", **more),
    "region": lambda s, id, **more: s.region(id, 1, MASK, "a sun", **more),
    "pan": lambda s, id, **more: s.pan(id, 1, "left", **more),
    "zoom": lambda s, id, **more: s.zoom_out(id, 1, **more),
    "blend": lambda s, id, **more: s.blend([(id, 1), (id, 3)], **more),
    "filter": lambda s, id: s.filter(id, 1, "grain 0.5, look noir"),
    "upscale": lambda s, id: s.upscale(id, 1),
}


def test_every_kind_of_job_is_asked_for_here():
    assert {"imagine", *CHANGES} == set(KINDS)


@pytest.mark.parametrize("kind", CHANGES)
def test_each_job_is_in_the_history_with_its_picture_and_all_it_needs(studio, kind):
    old = grid(studio, "a red house --seed 5 --steps 9")
    job = done(CHANGES[kind](studio, old.id))
    entry = studio.history.find(job.id)
    assert (entry.kind, entry.parent, entry.index) == (kind, old.id, 1)
    assert len(entry.files) == len(entry.seeds) == (1 if kind in ("filter", "upscale") else 4)
    task = Task.of(entry)
    assert task == job.command and task.sources[0] == (old.id, 1)
    if kind not in ("remix", "region", "blend"):  # those have another prompt, and so its flags
        assert (task.prompt, task.steps) == ("a red house", 9)
    if kind in ("filter", "upscale"):
        assert entry.seeds == (6,), "the seed of picture 1 of a grid from seed 5"
    else:
        assert task.seed != 5 and entry.seeds[0] == task.seed


def test_how_a_job_was_asked_for_is_kept(studio):
    old = grid(studio)
    kept = {kind: studio.history.find(done(CHANGES[kind](studio, old.id)).id).settings for kind in CHANGES}
    assert kept["vary"]["strength"] == "strong" and kept["remix"]["strength"] == "subtle"
    assert kept["pan"]["side"] == "left" and kept["filter"]["chain"] == "grain 0.5, look noir"
    assert kept["region"]["region"] == [("....######......" if y < 6 else "." * 16) for y in range(16)]
    assert kept["blend"]["sources"] == [[old.id, 1], [old.id, 3]]
    assert kept["blend"]["captions"] == ["a red house"] * 2
    assert kept["remix"]["prompt"] == "a blue castle" and kept["region"]["prompt"] == "a sun"


def test_the_history_keeps_what_was_set_and_what_every_picture_has(studio):
    old = grid(studio, "a red house --seed 5 --chaos 20")
    plain = {"prompt": "a red house", "seed": 5, "guidance": 3.0, "steps": 25, "model": "flow"}
    assert studio.history.find(old.id).settings == plain | {"chaos": 20}
    varied = done(studio.vary(old.id, 1)).command
    how = {"sources": ((old.id, 1),), "strength": "subtle"}
    assert varied.record() == plain | {"chaos": 20, "seed": varied.seed} | how


def test_zooming_out_goes_to_the_next_wider_frame_and_the_history_says_so(studio):
    assert FRAMES == ("1:2", "2:3", "1:1", "3:2", "2:1")
    old = grid(studio, "a tent --ar 1:2 --seed 5 --chaos 5")
    for frame in FRAMES[1:]:
        job = done(studio.zoom_out(old.id, 0))
        w, h = ASPECTS[frame]
        assert job.command.ar == frame and job.pictures.shape == (4, h, w, 3)
        entry = studio.history.find(job.id)
        assert Task.of(entry) == job.command and parse(entry.command).ar == frame and job.command.chaos == 5
        old = job
    with pytest.raises(UserError, match=r"^zoom out goes to a wider frame, and 2:1 is the widest: pan left or right"):
        studio.zoom_out(old.id, 0)
    assert not studio.waiting


def test_zooming_out_further_at_once(studio):
    old = grid(studio)
    assert done(studio.zoom_out(old.id, 0, ar="2:1")).pictures.shape == (4, 48, 96, 3)
    for frame in ("1:1", "2:3", "16:9"):
        with pytest.raises(UserError, match=f"--ar {frame} is not wider than 1:1; to zoom out, allowed are 3:2, 2:1"):
            studio.zoom_out(old.id, 0, ar=frame)
    assert wider("2:3") == "1:1" and wider("2:3", "2:1") == "2:1"


def test_the_pictures_of_the_sources_are_what_is_worked_on(make):
    seen = []

    class Looking(Studio):
        def picture(self, id, index):
            seen.append((id, index))
            return super().picture(id, index)

    studio = Looking()
    try:
        studio.engine.draw = Painter()
        old = grid(studio)
        studio.engine.draw = studio._draw
        job = done(studio.filter(old.id, 2, "contrast 2"))
        assert set(seen) == {(old.id, 2)}
        assert np.array_equal(job.pictures[0], apply_filters(painting(7), "contrast 2", 7))
    finally:
        studio.close()


def test_a_reroll_changes_the_seed_alone(studio):
    old = grid(studio, "a red house --seed 5 --chaos 20")
    new = done(studio.reroll(old.id))
    assert new.command == replace(old.command, seed=new.command.seed) and new.command.seed != 5
    assert (studio.entry(new.id).parent, studio.entry(new.id).index) == (old.id, None)
    varied = done(studio.vary(old.id, 2))
    again = done(studio.reroll(varied.id))
    assert again.kind == "vary" and again.command.sources == ((old.id, 2),) and again.command.strength == "subtle"
    assert again.command.seed != varied.command.seed
    filtered = done(studio.filter(old.id, 0, "contrast 2"))
    with pytest.raises(UserError, match="to filter a picture again gives the same one; re-roll the grid"):
        studio.reroll(filtered.id)


def test_flags_that_only_a_new_picture_takes_do_not_go_on_and_are_refused_when_typed(studio, tmp_path):
    Image.fromarray(painting(1)).save(tmp_path / "a.png")
    old = grid(studio, f"a red house --tile --stop 50 --weird 9 --init {tmp_path}/a.png --iw 2 --chaos 5")
    task = done(studio.vary(old.id, 0)).command
    assert task.settings() == {"seed": task.seed, "chaos": 5}
    for flag in ("--tile", "--stop 50", "--weird 9", f"--init {tmp_path}/a.png"):
        with pytest.raises(UserError, match=f"^{flag.split()[0]} is for new pictures"):
            studio.remix(old.id, 0, f"a house {flag}")


def test_what_is_made_from_a_picture_keeps_its_frame(studio):
    old = grid(studio, "a red house --ar 3:2 --seed 5")
    assert done(studio.remix(old.id, 0, "a tent")).command.ar == "3:2"
    assert done(studio.remix(old.id, 0, "a tent --ar 3:2")).pictures.shape == (4, 48, 72, 3)
    with pytest.raises(UserError, match="--ar is for new pictures"):
        studio.remix(old.id, 0, "a tent --ar 1:1")
    with pytest.raises(UserError, match="this text makes 2 commands"):
        studio.remix(old.id, 0, "a {tent, house}")
    tall = grid(studio, "a tent --ar 1:2")
    assert done(studio.blend([(old.id, 0), (tall.id, 0)])).command.ar == "3:2"


@pytest.mark.parametrize(
    "ask, wanted",
    [
        (lambda s, id: s.vary(id, 4), "has no picture 4; allowed are 0 to 3"),
        (lambda s, id: s.vary(id, -1), "has no picture -1"),
        (lambda s, id: s.vary(id, "1"), "has no picture '1'"),
        (lambda s, id: s.vary(id, True), "has no picture True"),
        (lambda s, id: s.vary(id, 0, "wild"), "no variation 'wild'; allowed are subtle, strong"),
        (lambda s, id: s.vary("20200101", 0), "has no job '20200101'; the nearest is"),
        (lambda s, id: s.pan(id, 0, "top"), "no side 'top'; allowed are left, right, up, down"),
        (lambda s, id: s.blend([]), "cannot blend 0 pictures; allowed are 2 to 5"),
        (lambda s, id: s.blend([(id, 0)]), "cannot blend 1 pictures; allowed are 2 to 5"),
        (lambda s, id: s.blend([(id, 0)] * 6), "cannot blend 6 pictures; allowed are 2 to 5"),
        (lambda s, id: s.filter(id, 0, "  "), "no filter is chosen"),
        (lambda s, id: s.filter(id, 0, "contrast 9"), "contrast is 9; allowed are 0 to 3"),
        (lambda s, id: s.region(id, 0, np.zeros((8, 8), bool)), "no region is chosen"),
        (lambda s, id: s.region(id, 0, np.ones((7, 8), bool)), r"such as \(8, 8\); got \(7, 8\) bool"),
        (lambda s, id: s.region(id, 0, np.ones((8, 8))), "got .*float64"),
        (lambda s, id: s.remix(id, 0, ""), "the prompt is empty"),
        (lambda s, id: s.cancel(), "there is no job to cancel"),
        (lambda s, id: s.cancel(id), "is over"),
        (lambda s, id: s.rate(id, 0, 6), "cannot get 6 stars; allowed are 1, 2, 3, 4, 5"),
        (lambda s, id: s.export(id, 0, "nowhere/a.png"), "there is no folder nowhere"),
        (lambda s, id: s.export(id, 9, "a.png"), "has no picture 9"),
        (lambda s, id: s.export(id, 0, "a.jpg"), "the file's name must end in .png"),
    ],
)
def test_refuses_at_once_in_one_line(studio, ask, wanted):
    old = grid(studio)
    with pytest.raises(UserError, match=wanted) as caught:
        ask(studio, old.id)
    assert "\n" not in str(caught.value) and len(studio.history.entries()) == 1 and not studio.waiting


def test_an_enlarged_picture_is_not_enlarged_again_but_all_else_goes_on_from_it(studio, painter):
    large = done(studio.upscale(grid(studio).id, 2))
    assert large.pictures.shape == (1, 256, 256, 3)
    with pytest.raises(UserError, match="this picture is enlarged already"):
        studio.upscale(large.id, 0)
    for kind in ("vary", "pan", "zoom", "blend"):
        ask = {"vary": studio.vary, "zoom": studio.zoom_out, "pan": lambda id, i: studio.pan(id, i, "up"),
               "blend": lambda id, i: studio.blend([(id, i), (id, i)])}[kind]  # fmt: skip
        assert done(ask(large.id, 0)).kind == kind
    assert in_frame(large.pictures[0], "1:1").shape == (64, 64, 3)


def test_a_missing_file_is_told_before_the_job_is_queued(studio, make):
    old = grid(studio)
    studio.path(old.id, 0).unlink()
    fresh = make(Painter())  # as after a restart: nothing is in memory
    with pytest.raises(UserError, match=r"-1\.png is missing; to draw it again, type: a red house --seed 5"):
        fresh.vary(old.id, 0)
    assert not fresh.waiting and done(studio.vary(old.id, 0)), "this notebook still has it in memory"


def test_a_picture_that_could_not_be_saved_can_be_worked_on(make, painter, tmp_path):
    (tmp_path / "file").write_text("in the way of the history's folder")
    studio = make(painter, history=History(tmp_path / "file"))
    (job,) = studio.imagine("a red house --seed 5")
    assert job.wait(WAIT) and job.state == "done" and f"{tmp_path / 'file'}" in job.error and not job.saved
    assert studio.entry(job.id).command == "a red house --seed 5" and studio.seed(job.id, 2) == 7
    assert np.array_equal(studio.picture(job.id, 3), painting(8))
    assert studio.export(job.id, 0, tmp_path / "a.png").exists()
    varied = studio.vary(job.id, 1)
    assert varied.wait(WAIT) and varied.state == "done" and varied.command.sources == ((job.id, 1),)


def test_a_history_that_somebody_altered_is_refused_in_one_line(studio, make):
    old = grid(studio)
    lines = studio.history.path.read_text("utf-8")
    for before, after in (
        ("a red house --seed 5", "a red house --seed five"),
        ('"settings": {', '"settings": {"sources": 5, '),
    ):
        assert before in lines
        studio.history.path.write_text(lines.replace(before, after), "utf-8")
        with pytest.raises(UserError) as caught:
            make(Painter()).vary(old.id, 0)
        assert "\n" not in str(caught.value)


# ---- masks and texts -----------------------------------------------------------------------------


@given(st.data())
def test_a_region_is_kept_as_rows_of_latents(data):
    aspect = data.draw(st.sampled_from(sorted(ASPECTS)))
    w, h = ASPECTS[aspect]
    cell = data.draw(st.sampled_from([1, 2, 4, 8]))
    shape = h // cell, w // cell
    chosen = data.draw(st.sets(st.tuples(*(st.integers(0, side - 1) for side in shape)), min_size=1, max_size=9))
    mask = np.zeros(shape, bool)
    mask[tuple(zip(*chosen, strict=True))] = True
    pixels, found = mask.repeat(cell, 0).repeat(cell, 1), to_mask(to_rows(mask, aspect))
    assert found.shape == (h, w) and (found >= pixels).all()
    blocks = found.reshape(h // LATENT, LATENT, w // LATENT, LATENT)
    assert (blocks.any((1, 3)) == blocks.all((1, 3))).all(), "whole latents"
    assert (blocks.any((1, 3)) == pixels.reshape(blocks.shape).any((1, 3))).all(), "and no more of them than needed"


@given(st.lists(st.text("abc ,.", min_size=1, max_size=500).filter(str.strip), min_size=2, max_size=5))
def test_the_prompt_of_a_blend_fits(captions):
    captions = [caption.strip() for caption in captions]
    said = wording.joined(captions)
    assert len(said) <= 500 and (len(", ".join(captions)) > 500 or said == ", ".join(captions))
    Command(said)


def test_shorten_leaves_flags_and_weights_alone(monkeypatch):
    from mjcourse.studio import describe

    monkeypatch.setattr(describe, "shorten", lambda prompt: prompt.split()[-1])
    for text, wanted in (
        ("a very red house --ar 3:2 --seed 0 --tile", "house --ar 3:2 --seed 0 --tile"),
        ("a very red house::2 the deep sea::-0.5 --no a big sun", "house::2 sea::-0.5 --no a big sun"),
        ("a big house:: the sea", "house::1 sea::1"),
        (r"a big \{house\}", r"\{house\}"),
    ):
        assert wording.shortened(text) == wanted
        parse(wanted)


# ---- really drawn --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawing(tmp_path_factory):
    """A studio that draws with the shipped model, and a grid of a few steps."""
    home = tmp_path_factory.mktemp("drawing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "RUNS", home)
        studio = Studio(ratings=RatingStore(home / "ratings.sqlite"))
        yield studio, grid(studio, "a red house by the sea --seed 5 --steps 4")
        studio.close()


@pytest.mark.parametrize("kind", ["imagine", *CHANGES])
def test_the_same_pictures_can_be_made_again(drawing, kind):
    studio, old = drawing
    if kind == "upscale":
        try:
            find_weights("upscaler")
        except UserError as reason:
            pytest.skip(str(reason))
    job = old
    if kind != "imagine":
        job = done(CHANGES[kind](studio, old.id, **({"steps": 4} if kind in ("remix", "region", "blend") else {})))
        assert not np.array_equal(job.pictures[0], old.pictures[1])
    fresh = Studio(History(studio.history.folder))  # it knows of the job what the history says
    try:
        again = done(fresh.again(job.id))
    finally:
        fresh.close()
    assert np.array_equal(again.pictures, job.pictures) and again.pictures.dtype == np.uint8


def test_a_region_changes_nothing_else(drawing):
    studio, old = drawing
    mask = np.zeros((64, 64), bool)
    mask[:16] = True
    made = done(studio.region(old.id, 1, mask, "a sun", steps=4)).pictures
    apart = np.abs(made.astype(int) - old.pictures[1]).mean((0, 2, 3))  # by row
    assert apart[:12].mean() > 4 * apart[32:].mean()


def test_upscale_makes_one_large_picture_or_says_what_is_missing(drawing):
    studio, old = drawing
    job = studio.upscale(old.id, 0)
    assert job.wait(WAIT)
    if job.state == "failed":
        assert "there are no weights for 'upscaler'" in job.error and "mjcourse train upscaler" in job.error
    else:
        assert job.pictures.shape == (1, 256, 256, 3)
        small = np.asarray(Image.fromarray(job.pictures[0]).resize((64, 64), Image.Resampling.BOX)).astype(int)
        assert np.abs(small - old.pictures[0]).mean() < 12


def test_a_running_job_is_cancelled_within_a_second_and_leaves_nothing(drawing):
    studio, _ = drawing
    before = len(studio.history.entries())
    (job,) = studio.imagine("a red house --steps 200")
    soon(lambda: job.done > 2)
    began = time.monotonic()
    assert studio.cancel() is job and job.wait(WAIT)
    assert time.monotonic() - began < 3 and job.state == "cancelled" and job.done < 200  # 1 s on a machine of one's own
    assert len(studio.history.entries()) == before


def test_words_are_weighed_by_the_model(drawing):
    studio, _ = drawing
    found = studio.influence("a red house --seed 3")
    assert [word for word, _ in found] == ["a", "red", "house"] and all(share >= 0 for _, share in found)
    assert parse(studio.shorten("太阳沙滩大海 --seed 3")).seed == 3


@pytest.mark.parametrize("weird", [0, 800])
def test_the_seed_of_a_picture_gives_the_picture_again(drawing, weird):
    studio, _ = drawing
    job = grid(studio, "a red house by the sea --seed 5 --steps 4 --chaos 30", weird=weird)
    assert (job.seeds == [5, 6, 7, 8]) == (not weird) and set(job.seeds) <= set(range(5, 21))
    for index in (0, 3):
        again = grid(studio, "a red house by the sea --steps 4 --chaos 30", seed=studio.seed(job.id, index))
        apart = np.abs(job.pictures.astype(int) - again.pictures[0]).mean((1, 2, 3))
        assert apart[index] < 1 and np.delete(apart, index).min() > 3  # another batch rounds otherwise


def test_zooming_out_keeps_the_picture_in_the_middle_and_draws_both_sides(drawing):
    studio, old = drawing
    made = done(studio.zoom_out(old.id, 1, steps=4)).pictures
    small = np.asarray(Image.fromarray(old.pictures[1]).resize((48, 48), Image.Resampling.LANCZOS)).astype(int)
    assert made.shape == (4, 48, 72, 3)
    assert np.abs(made[:, :, 20:52].astype(int) - small[:, 8:40]).mean() < 8, "as the autoencoder tells it"
    for side in (made[:, :, :12], made[:, :, -12:]):
        apart = np.abs(side[0].astype(int) - side[1]).mean()
        assert apart > 2, "each of the four has its own"


# ---- stars, back and forth -----------------------------------------------------------------------


def test_stars_are_kept_for_the_pixels_that_were_drawn(studio, make):
    old = grid(studio)
    large = done(studio.upscale(old.id, 2))
    assert studio.stars(old.id) == [None] * 4 and studio.stars(large.id) == [None]
    studio.rate(old.id, 0, 5)
    studio.rate(large.id, 0, 2)
    studio.rate(old.id, 0, 4)
    assert studio.stars(old.id) == [4, None, 2, None] and studio.stars(large.id) == [2]
    fresh = make(Painter())  # after a restart
    assert fresh.stars(old.id) == [4, None, 2, None]
    (rated,) = fresh.ratings.pictures([key for key, stars in fresh.ratings.stars().items() if stars == 2])
    assert (rated.command, rated.place, rated.seed) == ("a red house --seed 5", 2, 5)
    assert np.array_equal(rated.pixels, painting(7))


def test_a_filtered_large_picture_has_no_stars_and_says_why(studio):
    large = done(studio.upscale(grid(studio).id, 2))
    studio.engine.draw = studio._draw
    filtered = done(studio.filter(large.id, 0, "contrast 2"))
    assert studio.stars(filtered.id) == [None]
    with pytest.raises(UserError, match="of an enlarged picture, rate the one it was made from"):
        studio.rate(filtered.id, 0, 3)


def test_back_and_forth_and_the_text_to_put_back(studio, make):
    first, second = grid(studio, "a red house --seed 5 --ar 3:2"), grid(studio, "a tent --seed 6")
    assert studio.last == second.id and studio.undo().id == first.id == studio.last
    assert studio.redo().id == second.id
    with pytest.raises(UserError, match="nothing to redo"):
        studio.redo()
    assert studio.reload(first.id) == "a red house --seed 5 --ar 3:2"
    fresh = make(Painter())
    assert fresh.last == second.id, "the newest of the history"
    with pytest.raises(UserError, match="this notebook has no job before"):
        fresh.undo()


def test_an_empty_history_says_what_to_do(studio):
    with pytest.raises(UserError, match="the history is empty; draw something first"):
        studio.show()


def test_the_seed_of_a_picture_begins_a_grid_with_its_noise(studio):
    assert studio.seed(grid(studio, "a house --seed 5").id, 2) == 7
    assert studio.seed(grid(studio, f"a house --seed {SEED_MAX}").id, 1) == 0


def test_the_seeds_of_weird_pictures_are_those_that_were_chosen(make):
    studio = make(lambda task, report: (np.stack([painting(seed) for seed in (9, 17, 6, 12)]), [9, 17, 6, 12]))
    job = grid(studio, "a house --seed 5 --weird 3000")
    assert studio.history.find(job.id).seeds == (9, 17, 6, 12) == tuple(job.seeds)
    assert [studio.seed(job.id, i) for i in range(4)] == [9, 17, 6, 12]
    assert make(Painter()).seed(job.id, 1) == 17, "after a restart"


# ---- out of the history and back -----------------------------------------------------------------


def test_what_was_deleted_can_be_put_back_the_last_first(studio):
    a, b, c = (grid(studio, f"a house --seed {i}").id for i in range(3))
    assert not studio.can_restore
    assert studio.delete(b).command == "a house --seed 1" and studio.delete(a).id == a
    assert [entry.id for entry in studio.history.entries()] == [c]
    with pytest.raises(UserError, match="has no job"):
        studio.vary(a, 0)
    assert studio.restore().id == a and studio.restore().id == b
    assert [entry.id for entry in studio.history.entries()] == [c, b, a], "each is where it was"
    assert np.array_equal(studio.pictures(b)[0], painting(1))
    with pytest.raises(UserError, match="nothing to put back"):
        studio.restore()


def test_what_another_notebook_put_back_is_not_put_back_again(studio):
    a, b = (grid(studio, f"a house --seed {i}").id for i in range(2))
    studio.delete(a), studio.delete(b)
    History(studio.history.folder).restore(b)
    assert studio.can_restore and studio.restore().id == a and not studio.can_restore


def test_a_job_that_could_not_be_saved_cannot_be_deleted_but_told(make, painter, tmp_path):
    (tmp_path / "file").write_text("in the way")
    studio = make(painter, history=History(tmp_path / "file"))
    (job,) = studio.imagine("a red house --seed 5")
    assert job.wait(WAIT)
    assert studio.info(job.id) == "imagine · not in the history\na red house --seed 5"
    with pytest.raises(UserError, match="is not in the history: it could not be saved"):
        studio.delete(job.id)


# ---- the queue -----------------------------------------------------------------------------------


def test_cancel_takes_the_running_job_first_and_cancel_all_the_rest(studio, painter):
    painter.hold = True
    jobs = studio.imagine("a house --repeat 4")
    soon(lambda: jobs[0].state == "running")
    assert studio.waiting == jobs
    assert studio.cancel(jobs[2].id) is jobs[2] and jobs[2].state == "cancelled"
    assert studio.cancel() is jobs[0]
    assert studio.cancel_all() == 3 and jobs[1].state == jobs[3].state == "cancelled"
    painter.go.release(1)
    assert jobs[0].wait(WAIT) and jobs[0].state == "cancelled"
    assert studio.history.entries() == [] and len(painter.tasks) == 1


# ---- out of the studio ---------------------------------------------------------------------------


def test_the_files_of_the_history_carry_labels_and_unchanged_pixels(studio):
    old = grid(studio)
    labels = read_labels(studio.path(old.id, 2))
    assert (labels.parameters, labels.source, labels.signature) == ("a red house --seed 5", GENERATED, SIGNED)
    assert labels.settings["picture"] == 3 and labels.settings["seeds"] == [5, 6, 7, 8]
    assert np.array_equal(labels.pixels, painting(7)) and not labels.problems
    large = done(studio.upscale(old.id, 0))
    assert np.array_equal(read_labels(studio.path(large.id, 0)).pixels, large.pictures[0]), "no mark to work on"


def test_an_export_tells_the_whole_way_back_to_the_words(studio, tmp_path):
    old = grid(studio)
    varied = done(studio.vary(old.id, 1, "strong"))
    studio.engine.draw = studio._draw
    job = done(studio.filter(varied.id, 3, "look noir"))
    labels = read_labels(studio.export(job.id, 0, tmp_path / "a.png"))
    assert labels.signature == SIGNED and labels.parameters == studio.entry(job.id).command
    told = labels.settings
    assert (told["kind"], told["chain"], told["sources"]) == ("filter", "look noir", [[varied.id, 3]])
    assert [step["kind"] for step in told["made_from"]] == ["vary", "imagine"]
    assert told["made_from"][0]["strength"] == "strong" and told["made_from"][0]["sources"] == [[old.id, 1]]
    assert told["made_from"][1]["command"] == "a red house --seed 5"


def test_marks_are_for_large_exports(studio, tmp_path):
    old = grid(studio)
    assert np.array_equal(read_labels(studio.export(old.id, 0, tmp_path / "s.png")).pixels, painting(5))
    large = done(studio.upscale(old.id, 0))
    assert not np.array_equal(read_labels(studio.export(large.id, 0, tmp_path / "l.png")).pixels, large.pictures[0])
    plain = read_labels(studio.export(large.id, 0, tmp_path / "p.png", mark=False, watermark=False))
    assert np.array_equal(plain.pixels, large.pictures[0])


def test_a_picture_of_ones_own_is_told_even_when_it_was_varied(studio, tmp_path):
    Image.fromarray(painting(1)).save(tmp_path / "mine.png")
    old = grid(studio, f"a house --init {tmp_path}/mine.png")
    varied = done(studio.vary(old.id, 0))
    for id in (old.id, varied.id):
        assert read_labels(studio.export(id, 0, tmp_path / "a.png")).source == LABELS["edited"]
    assert read_labels(studio.export(grid(studio).id, 0, tmp_path / "a.png")).source == GENERATED


def test_a_deleted_job_is_no_longer_told_and_hinders_nothing(studio, tmp_path):
    old = grid(studio)
    varied = done(studio.vary(old.id, 1))
    studio.history.delete(old.id)
    assert read_labels(studio.export(varied.id, 0, tmp_path / "a.png")).settings["made_from"] == []


def test_a_grid_is_exported_and_shown_with_its_prompt(studio, tmp_path, monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    old = grid(studio, "太阳沙滩大海 --seed 5")
    studio.show()
    studio.show(old.id, 2)
    labels = read_labels(studio.export(old.id, None, tmp_path / "grid.png"))
    assert np.array_equal(labels.pixels[:, :], shown[0]) or labels.pixels.shape == np.shape(shown[0])  # it is marked
    assert labels.settings["picture"] is None and labels.signature == SIGNED
    assert isinstance(shown[0], Image.Image) and shown[0].width > 2 * 256 > shown[1].width > 256
    assert hasattr(shown[0], "_repr_png_"), "a notebook keeps it as a PNG"


# ---- pictures that come in -----------------------------------------------------------------------


def png(picture: np.ndarray, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, form)
    return buffer.getvalue()


@pytest.mark.parametrize("aspect", ASPECTS)
def test_pictures_of_any_form_come_in_at_the_right_size(tmp_path, aspect):
    w, h = ASPECTS[aspect]
    picture = painting(3, aspect)
    large = picture.repeat(10, 0).repeat(10, 1)
    (tmp_path / "a.png").write_bytes(png(large))
    for form in (picture, large, png(large), memoryview(png(large)), tmp_path / "a.png", str(tmp_path / "a.png")):
        framed = to_frame(form)
        assert framed.shape == (h, w, 3) and framed.flags.writeable and np.abs(framed.astype(int) - picture).mean() < 3
    assert np.array_equal(to_frame(picture), picture)
    assert np.abs(to_frame(png(large, "JPEG")).astype(int) - picture).mean() < 10


@given(st.integers(1, 500), st.integers(1, 500))
def test_the_frame_of_a_picture_is_the_one_that_cuts_off_least(width, height):
    def cut(aspect: str) -> float:
        w, h = ASPECTS[aspect]
        return max(width * h / (height * w), height * w / (width * h))

    assert cut(nearest_aspect(width, height)) == pytest.approx(min(map(cut, ASPECTS)))
    picture = np.zeros((height, width, 3), np.uint8)
    if max(width, height) > 4 * min(width, height):
        with pytest.raises(UserError, match=f"this picture has {width} x {height}: cut out a part of it"):
            to_frame(picture)
    else:
        assert to_frame(picture).shape[1::-1] in ASPECTS.values()


def test_a_phones_picture_comes_in_upright_and_a_cut_out_on_white(tmp_path):
    upright = painting(5, "2:3").repeat(4, 0).repeat(4, 1)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    Image.fromarray(np.rot90(upright)).save(tmp_path / "a.png", exif=exif)
    assert np.abs(to_frame(tmp_path / "a.png").astype(int) - painting(5, "2:3")).mean() < 3
    clear = np.zeros((40, 40, 4), np.uint8)
    clear[10:30, 10:30] = (255, 0, 0, 255)
    Image.fromarray(clear).save(tmp_path / "b.png")
    framed = to_frame(tmp_path / "b.png")
    assert framed.shape == (64, 64, 3) and (framed[0, 0] == 255).all() and tuple(framed[32, 32]) == (255, 0, 0)


@pytest.mark.parametrize(
    "given, wanted",
    [
        (b"", "cannot use 'upload' as a picture: empty file"),
        (b"GIF89a" + bytes(9), "cannot use 'upload' as a picture"),
        (png(painting(1))[:300], "cannot use 'upload' as a picture"),
        (b"\x00" * 40_000_001, "has 40,000,001 bytes; allowed are 40,000,000"),
        (np.zeros((4, 4)), "must be .H, W, 3. uint8"),
        (np.zeros((0, 4, 3), np.uint8), "must be .H, W, 3. uint8"),
        (np.zeros((64, 300, 3), np.uint8), "a side may be 4 times the other, and this picture has 300 x 64"),
        ("nowhere.png", "there is no file 'nowhere.png'"),
    ],
    ids=["empty", "no GIF", "cut off", "huge", "grey", "nothing", "long", "missing"],
)
def test_what_is_no_picture_is_refused(given, wanted):
    with pytest.raises(UserError, match=wanted):
        to_frame(given)
