"""Chapter 04: every fault of the article's formulas and script is there in ours, and gone in the repaired script.

The definitions come from the notebook itself: cells tagged `imports`, `article` (with faults) and `repaired`.
"""

from __future__ import annotations

import ast
import inspect
import math
from types import SimpleNamespace

import nbformat
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from mjcourse import config
from mjcourse.models.gan import GAN, GANConfig, discriminator_loss, generator_loss
from mjcourse.models.vae import kl_divergence, reparameterize

NOTEBOOK = config.ROOT / "notebooks" / "04_clinic.ipynb"


def sources(*tags: str) -> list[str]:
    """Return the code of the cells that have one of the tags, in order."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    return [c.source for c in cells if c.cell_type == "code" and set(tags) & set(c.metadata.get("tags", []))]


@pytest.fixture(scope="module")
def clinic() -> SimpleNamespace:
    """Give the chapter's definitions; none of these cells computes anything."""
    names: dict = {}
    for source in sources("imports", "article", "repaired"):
        exec(compile(source, "04_clinic", "exec"), names)
    return SimpleNamespace(**names)


@pytest.fixture(scope="module")
def pictures(clinic):
    """Give the example folder as the repaired script reads it."""
    return clinic.read_folder(config.DATA / "train")


@pytest.fixture
def players(clinic):
    """Give a small GAN and its two optimizers, at rate 1e-3."""
    torch.manual_seed(0)
    gan = GAN(GANConfig(size=clinic.SIZE, latent=clinic.LATENT, width=8))
    return gan, [torch.optim.Adam(p.parameters(), 1e-3, betas=(0.0, 0.99)) for p in (gan.discriminator, gan.generator)]


def noise(clinic, count: int) -> torch.Tensor:
    return torch.randn(count, clinic.LATENT, generator=config.generator(0))


def state(gan, optimizers) -> list[torch.Tensor]:
    kept = [t.clone() for t in gan.state_dict().values()]
    return kept + [t.clone() for o in optimizers for s in o.state.values() for t in s.values()]


def gradients(net: nn.Module) -> list[torch.Tensor]:
    return [p.grad for p in net.parameters() if p.grad is not None and p.grad.abs().sum() > 0]


def steps(optimizer) -> int:
    return max((int(s["step"]) for s in optimizer.state.values()), default=0)


# ---- the chapter ---------------------------------------------------------------------------------


def test_the_tagged_cells_only_define():
    for source in sources("imports", "article", "repaired"):
        for node in ast.parse(source).body:
            defines = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign
            assert isinstance(node, defines), ast.unparse(node)[:80]


def test_the_repaired_script_is_short_and_needs_no_other_cell(clinic):
    text = "\n".join(sources("repaired"))
    code = [line for line in text.splitlines() if line.strip() and not line.strip().startswith(("#", '"""'))]
    assert len(sources("repaired")) <= 2 and len(code) <= 85
    assert not [name for name in dir(clinic) if name.startswith("article") and name in text]


# ---- the formulas --------------------------------------------------------------------------------


def test_generator_and_code_have_noise_and_the_right_shapes(clinic):
    mean, logvar = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, -1.0]])
    spread = torch.exp(0.5 * logvar)
    assert (clinic.article_generator(mean, spread) > mean).all()  # always above its mean, always the same
    z = reparameterize(mean, logvar, torch.randn(200_000, 2, generator=config.generator(1)))
    torch.testing.assert_close(z.mean(0, keepdim=True), mean, atol=0.02, rtol=0)
    torch.testing.assert_close(z.std(0, keepdim=True), spread, atol=0.02, rtol=0)
    with torch.no_grad():
        made = clinic.draw(GAN(GANConfig(size=32, latent=clinic.LATENT, width=8)), 3)
    assert made.shape == (3, 3, 32, 32)
    assert made.abs().max() <= 1


def test_the_discriminator_is_a_probability_and_its_loss_a_cross_entropy(clinic):
    logits = torch.linspace(-30, 30, 61)
    wrong = clinic.article_discriminator(logits, torch.zeros(61))
    assert wrong.max() > 1
    assert clinic.article_discriminator(torch.zeros(61), logits).min() < -1e6
    real, fake = 4 * torch.randn(2, 50, generator=config.generator(2))
    d_loss, g_loss = clinic.game(real, fake)
    both, labels = torch.cat([real, fake]), torch.cat([torch.ones(50), torch.zeros(50)])
    torch.testing.assert_close(d_loss, F.binary_cross_entropy(torch.sigmoid(both.double()), labels.double()).float())
    torch.testing.assert_close(d_loss, 0.5 * discriminator_loss("non-saturating", real, fake))
    torch.testing.assert_close(g_loss, generator_loss("non-saturating", real, fake))
    assert d_loss >= 0


def test_the_articles_loss_moves_the_logits_the_wrong_way(clinic):
    real, fake = torch.zeros(2, 1, requires_grad=True)
    slopes = torch.autograd.grad(clinic.article_discriminator(real, fake).sum(), (real, fake))
    assert slopes[0] > 0 > slopes[1]  # a minimiser lowers real's logit and raises made's
    slopes = torch.autograd.grad(clinic.game(real, fake)[0], (real, fake))
    assert slopes[0] < 0 < slopes[1]


def test_each_player_has_its_own_role(clinic):
    real, fake = torch.tensor([0.3]).requires_grad_(), torch.tensor([-0.4]).requires_grad_()
    wrong = torch.autograd.grad(sum(clinic.article_value(real.sigmoid(), fake.sigmoid())), (real, fake))
    right = torch.autograd.grad(sum(clinic.game_value(real.sigmoid(), fake.sigmoid())), (real, fake))
    assert wrong[0] < 0 < wrong[1]  # maximised, it calls real pictures made
    assert right[0] > 0 > right[1]
    d_loss = torch.autograd.grad(clinic.game(real, fake)[0], (real, fake))
    for ours, ascent in zip(d_loss, right, strict=True):
        torch.testing.assert_close(ours, -0.5 * ascent)  # the loss is minus half of the value
    (g_slope,) = torch.autograd.grad(clinic.game(real, fake)[1], fake)
    torch.testing.assert_close(g_slope, fake.sigmoid() - 1)  # the generator raises the logit of what it made


def test_the_posterior_is_a_distribution():
    mean, logvar = torch.randn(2, 5, 8, generator=config.generator(3))
    normal = torch.distributions.Normal
    with pytest.raises(NotImplementedError):
        torch.distributions.kl_divergence(mean + torch.exp(0.5 * logvar), normal(0.0, 1.0))
    wanted = torch.distributions.kl_divergence(normal(mean, torch.exp(0.5 * logvar)), normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_divergence(mean, logvar), wanted)


def test_the_articles_vae_loss_is_the_gap_and_not_the_fit(clinic):
    x = 2 * torch.randn(500, generator=config.generator(4), dtype=torch.float64)
    w, log_s, a, logvar = torch.tensor([0.7, -0.2, 0.4, -0.6], dtype=torch.float64)
    log_p, elbo, gap = clinic.toy_vae(x, w, log_s, a, logvar)
    torch.testing.assert_close(log_p, elbo + gap)
    total = w**2 + torch.exp(2 * log_s)
    torch.testing.assert_close(log_p, torch.distributions.Normal(0.0, total.sqrt()).log_prob(x))
    posterior = torch.distributions.Normal(w * x / total, (torch.exp(2 * log_s) / total).sqrt())
    q = torch.distributions.Normal(a * x, torch.exp(0.5 * logvar))
    torch.testing.assert_close(gap, torch.distributions.kl_divergence(q, posterior))
    # a decoder that ignores its code: the article's loss is at its minimum, whatever the data are
    nothing = torch.tensor([0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    log_p, elbo, gap = clinic.toy_vae(x, *nothing)
    assert gap.abs().max() < 1e-12
    assert elbo.mean() < -0.5 * math.log(2 * math.pi * math.e * float(x.var())) - 0.3


# ---- the script, as far as it runs ---------------------------------------------------------------


def test_bceloss_on_logits_raises_and_with_a_sigmoid_learns_nothing(clinic):
    torch.manual_seed(0)
    verdict = clinic.ArticleDiscriminator()(torch.rand(2, 3, 256, 256))
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        nn.BCELoss()(verdict, torch.ones_like(verdict))
    logit = torch.tensor([-200.0], requires_grad=True)
    (slope,) = torch.autograd.grad(nn.BCELoss()(torch.sigmoid(logit), torch.ones(1)), logit)
    assert slope == 0
    for label, at in ((1.0, -200.0), (0.0, 200.0)):
        logit = torch.tensor([at], requires_grad=True)
        loss = clinic.score(logit, label)
        (slope,) = torch.autograd.grad(loss, logit)
        assert loss.item() == pytest.approx(200) and slope.item() == pytest.approx(-1 if label else 1)
        torch.testing.assert_close(loss, F.binary_cross_entropy_with_logits(logit, torch.tensor([label])))


def test_noise_becomes_a_picture_and_a_picture_one_logit(clinic, players):
    assert clinic.ArticleGenerator()(torch.randn(64, 256)).shape == (64, 3)
    assert clinic.ArticleDiscriminator()(torch.rand(2, 3, 256, 256)).shape == (2, 3, 256, 1)
    with pytest.raises(RuntimeError, match="64x3 and 256x128"):
        clinic.ArticleDiscriminator()(torch.randn(64, 3))
    gan, _ = players
    made = gan.generator(noise(clinic, 5))
    assert made.shape == (5, 3, clinic.SIZE, clinic.SIZE)
    assert gan.discriminator(made).shape == (5,)
    x = torch.rand(1, 3, clinic.SIZE, clinic.SIZE, requires_grad=True)
    (seen,) = torch.autograd.grad(gan.discriminator(x).sum(), x)
    assert (seen != 0).float().mean() > 0.99  # the one logit looks at the whole picture


# ---- the loop ------------------------------------------------------------------------------------


def test_pictures_and_generator_have_one_range(clinic, pictures, players):
    x, classes, folder = pictures
    made = clinic.draw(players[0], len(x))
    assert x.min() == -1 and x.max() == 1 and len(x) == len(classes) == len(folder)
    assert clinic.one_threshold((x + 1) / 2, torch.tanh(torch.randn_like(x))) == 1  # the article's: told apart at once
    assert clinic.one_threshold(x, made) < 0.75


def test_the_discriminators_step_leaves_the_generator_alone(clinic, pictures, players):
    gan, (of_d, _) = players
    real, z = pictures[0][:8], noise(clinic, 8)
    clinic.article_d_step(gan, of_d, real, z)
    assert gradients(gan.generator)
    gan.generator.zero_grad()
    before = [p.clone() for p in gan.generator.parameters()]
    clinic.d_step(gan, of_d, real, z)
    assert not gradients(gan.generator) and gradients(gan.discriminator)
    assert all(torch.equal(a, b) for a, b in zip(before, gan.generator.parameters(), strict=True))


def test_the_generators_step_starts_from_clean_gradients_and_leaves_the_discriminators_weights(clinic, players):
    gan, (_, of_g) = players
    for group in of_g.param_groups:
        group["lr"] = 0.0
    z, found = noise(clinic, 8), []
    weights = [p.clone() for p in gan.discriminator.parameters()]
    for dirt in (0.0, 100.0):
        for p in gan.generator.parameters():
            p.grad = torch.full_like(p, dirt)
        torch.manual_seed(0)
        clinic.g_step(gan, of_g, z)
        found.append([p.grad.clone() for p in gan.generator.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(weights, gan.discriminator.parameters(), strict=True))


def test_one_step_of_each_player_per_batch(clinic, pictures, players):
    gan, optimizers = players
    real, z = pictures[0][:8], noise(clinic, 8)
    clinic.article_losses(gan, optimizers, real, z)
    assert [steps(o) for o in optimizers] == [2, 2]
    clinic.train_epoch(gan, optimizers, [(real, z)] * 3)
    assert [steps(o) for o in optimizers] == [5, 5]


def test_the_test_epoch_changes_no_bit(clinic, pictures, players):
    gan, optimizers = players
    x, z = pictures[0][:12], noise(clinic, 12)
    clinic.train_epoch(gan, optimizers, [(x, z)])
    before = state(gan, optimizers)
    clinic.test_epoch(gan, x, z)
    assert all(torch.equal(a, b) for a, b in zip(before, state(gan, optimizers), strict=True))
    clinic.article_test_epoch(gan, x, z, optimizers)
    assert not all(torch.equal(a, b) for a, b in zip(before, state(gan, optimizers), strict=True))


def test_the_test_losses_do_not_depend_on_batches_and_equal_a_hand_computation(clinic, pictures, players):
    gan, optimizers = players
    x, z = pictures[0][:14], noise(clinic, 14)
    clinic.train_epoch(gan, optimizers, [(x, z)])
    wanted = clinic.test_epoch(gan, x, z, size=14)
    for size in (1, 5, 13):
        assert clinic.test_epoch(gan, x, z, size=size) == pytest.approx(wanted, rel=1e-4)
    with torch.no_grad():
        real, made = gan.discriminator(x), gan.discriminator(gan.generator(z))
    by_hand = 0.5 * (F.softplus(-real) + F.softplus(made)).mean(), F.softplus(-made).mean()
    assert wanted == pytest.approx([float(v) for v in by_hand], rel=1e-5)
    for optimizer in optimizers:
        optimizer.param_groups[0]["lr"] = 0.0
    article = [
        clinic.article_test_epoch(gan, x, z, optimizers, n, size)[0] for n, size in ((10, 14), (10, 2), (100, 2))
    ]
    assert article[1] > 3 * article[0] and article[1] > 5 * article[2]


def test_the_training_losses_are_averages_over_pictures(clinic, players, monkeypatch):
    gan, optimizers = players
    told = iter([(1.0, 10.0), (4.0, 40.0)])
    now = {}

    def step_d(gan, optimizer, real, z):
        now["g"] = next_pair = next(told)
        return next_pair[0]

    epoch = clinic.train_epoch
    monkeypatch.setitem(epoch.__globals__, "d_step", step_d)
    monkeypatch.setitem(epoch.__globals__, "g_step", lambda gan, optimizer, z: now["g"][1])
    uneven = [(torch.zeros(6, 3, 4, 4), None), (torch.zeros(2, 3, 4, 4), None)]
    assert epoch(gan, optimizers, uneven) == pytest.approx([(6 * 1 + 2 * 4) / 8, (6 * 10 + 2 * 40) / 8])


def test_every_epoch_shows_every_picture_once(clinic, pictures):
    x = pictures[0][:40]
    seen = torch.cat([real for real, z in clinic.batches(x, 1, 2)])
    assert len(seen) == 40
    for picture in x:
        assert any(torch.equal(picture, s) or torch.equal(picture.flip(2), s) for s in seen)
    again = torch.cat([real for real, z in clinic.batches(x, 1, 2)])
    assert torch.equal(seen, again)
    assert not torch.equal(seen, torch.cat([real for real, z in clinic.batches(x, 1, 3)]))


def test_shifting_moves_each_picture_and_keeps_its_content(clinic):
    x = torch.ones(64, 3, clinic.SIZE, clinic.SIZE)
    x[:, :, 10:20, 12:18] = -1
    torch.manual_seed(0)
    moved = clinic.shifted(x)
    assert moved.shape == x.shape
    torch.testing.assert_close(moved.sum((1, 2, 3)), x.sum((1, 2, 3)))  # nothing is lost, white comes in
    assert len({m.numpy().tobytes() for m in moved}) > 20
    y = torch.randn(3, 3, clinic.SIZE, clinic.SIZE, requires_grad=True)
    (slope,) = torch.autograd.grad(clinic.shifted(y).sum(), y)
    assert (slope[:, :, 4:-4, 4:-4] == 1).all()  # gradients reach the generator


# ---- text, hold-out, samples ---------------------------------------------------------------------


def test_held_out_pictures_do_not_train(clinic, pictures):
    _, classes, folder = pictures
    train, held = clinic.hold_out(classes)
    assert not set(train) & set(held)
    assert sorted(train + held) == list(range(len(folder)))
    assert {int(classes[i]) for i in held} == set(classes.tolist())  # some of every class
    assert clinic.hold_out(classes) == (train, held)
    assert not {folder.imgs[i][0] for i in train} & {folder.imgs[i][0] for i in held}


def test_nothing_is_imported_that_is_not_used(clinic):
    assert clinic.unused_imports(clinic.ARTICLE_IMPORTS) == ["GPT2LMHeadModel", "train_test_split"]
    assert clinic.unused_imports("import os.path\nos.getcwd()") == []
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    everything = "\n".join(c.source for c in cells if c.cell_type == "code")
    assert clinic.unused_imports(everything) == []
    assert "transformers" not in "\n".join(sources("imports", "repaired"))


def test_the_same_seed_draws_the_same_bytes(clinic, players):
    gan, _ = players
    first = clinic.draw(gan, 4, seed=5)
    gan.train()
    torch.manual_seed(123)
    assert torch.equal(first, clinic.draw(gan, 4, seed=5))
    assert not torch.equal(first, clinic.draw(gan, 4, seed=6))


def test_two_runs_with_one_seed_draw_the_same_bytes(clinic, pictures):
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        gan = GAN(GANConfig(size=clinic.SIZE, latent=clinic.LATENT, width=8))
        optimizers = [torch.optim.Adam(p.parameters(), 1e-3) for p in (gan.discriminator, gan.generator)]
        for epoch in range(2):
            clinic.train_epoch(gan, optimizers, clinic.batches(pictures[0][:40], 3, epoch))
        drawn.append(clinic.draw(gan, 4))
    assert torch.equal(*drawn)


def test_no_prompt_reaches_the_repaired_script_yet(clinic):
    """Chapter 07 makes the last repair; until then no function takes a text."""
    for name in ("batches", "d_step", "g_step", "train_epoch", "test_epoch", "draw"):
        assert not {"prompt", "caption", "text"} & set(inspect.signature(getattr(clinic, name)).parameters)


def test_a_broken_file_does_not_stop_the_script(clinic, tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for k in range(3):
            Image.new("RGB", (40, 50), (80 * k, 90, 200)).save(tmp_path / label / f"{k}.png")
    (tmp_path / "a" / "cut.png").write_bytes((tmp_path / "a" / "0.png").read_bytes()[:40])
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    x, classes, folder = clinic.read_folder(tmp_path)
    assert x.shape == (6, 3, clinic.SIZE, clinic.SIZE)
    assert classes.tolist() == [0, 0, 0, 1, 1, 1] and folder.classes == ["a", "b"]
