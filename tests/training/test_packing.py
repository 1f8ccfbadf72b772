"""Samples packed into one row do not see each other, and batches are a function of the seed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from training_data import random_rows, surveyed

from harness.errors import UserError
from training.batches import Batches
from training.collate import SKIPPED, Collator
from training.masks import IGNORED, EncoderSource
from training.packing import Positions, check_apart, check_packing
from training.rows import open_rows


@pytest.fixture(scope="module", params=["qwen2_vl", "llava_next"])
def family(request, tiny_models, tmp_path_factory) -> Any:
    folder = tmp_path_factory.mktemp(request.param)
    path = random_rows(folder, 16, seed=1, text_only=0.3, most=8)
    source = EncoderSource(str(tiny_models[request.param]))
    rows, made = open_rows(str(path)), surveyed(path, source, folder / "survey")
    model = load(tiny_models[request.param])
    return SimpleNamespace(
        folder=tiny_models[request.param],
        survey=made,
        model=model,
        padded=Collator(rows, source, made),
        packed=Collator(rows, source, made, model.config, packed=True),
    )


def load(folder: Path, attention: str | None = None) -> Any:
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(folder, attn_implementation=attention).eval()


def run(model: Any, batch: dict[str, Any]) -> Any:
    import torch

    with torch.no_grad():
        return model(**{k: v for k, v in batch.items() if k != SKIPPED}, use_cache=False)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_loss_is_the_padded_loss(family, attention):
    model = load(family.folder, attention)
    check_apart(model)
    for indices in ([0], [0, 1], list(range(16)), [3, 3, 3], [7, 2, 9, 4]):
        padded, packed = family.padded(indices), family.packed(indices)
        assert packed["input_ids"].shape == (1, sum(family.survey.lengths[i] for i in indices))
        assert "attention_mask" not in packed
        tokens = [int((b["labels"][:, 1:] != IGNORED).sum()) for b in (padded, packed)]
        assert tokens[0] == tokens[1] == sum(family.survey.label_tokens[i] for i in indices)
        assert float(run(model, packed).loss) == pytest.approx(
            float(run(model, padded).loss), rel=1e-6
        )


def test_gradients_are_those_of_the_padded_batch(family):
    import torch

    found = []
    for batch in (family.padded(range(6)), family.packed(range(6))):
        family.model.zero_grad()
        family.model(
            **{k: v for k, v in batch.items() if k != SKIPPED}, use_cache=False
        ).loss.backward()
        found.append([p.grad.clone() for p in family.model.parameters() if p.grad is not None])
    family.model.zero_grad()
    assert len(found[0]) == len(found[1]) > 20
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_sample_sees_nothing_of_the_one_before(family, attention):
    import torch

    model = load(family.folder, attention)
    batch = family.packed([0, 1, 2])
    first = int(family.survey.lengths[0])
    picture = {int(model.config.image_token_id)}
    text = [i for i in range(first) if batch["input_ids"][0, i].item() not in picture]
    changed = {**batch, "input_ids": batch["input_ids"].clone()}
    for place in text:
        changed["input_ids"][0, place] = 40 + place % 100
    before, after = run(model, batch).logits, run(model, changed).logits
    assert not torch.equal(before[0, :first], after[0, :first])
    assert torch.equal(before[0, first:], after[0, first:])


def test_positions_of_pictures_start_anew_in_each_sample(tiny_models, family):
    import torch

    together = family.packed([0, 1, 2, 3])["position_ids"]
    alone = [family.packed([i])["position_ids"] for i in range(4)]
    assert torch.equal(together, torch.cat(alone, dim=-1))
    if "qwen2_vl" in str(family.folder):
        assert together.shape[0] == 4
        # The model's own, of each sample by itself.
        for index, mine in enumerate(alone):
            batch = family.padded([index])
            if not family.survey.pictures[index]:
                continue
            theirs, _ = family.model.model.get_rope_index(
                batch["input_ids"], batch["mm_token_type_ids"], batch["image_grid_thw"]
            )
            assert torch.equal(mine[1:], theirs)


def test_a_pack_without_pictures_has_a_dummy(family):
    plain = [i for i in range(16) if not family.survey.pictures[i]]
    packed, padded = family.packed(plain), family.padded(plain)
    assert "pixel_values" in packed
    assert float(run(family.model, packed).loss) == pytest.approx(
        float(run(family.model, padded).loss), rel=1e-6
    )
    assert set(family.packed([])["labels"].flatten().tolist()) == {IGNORED}


def test_what_cannot_keep_samples_apart_is_refused(tiny_models, family, monkeypatch):
    from transformers import AutoConfig

    mllama = AutoConfig.from_pretrained(tiny_models["mllama"])
    with pytest.raises(UserError, match="packed does not work for mllama"):
        check_packing(mllama, None)
    for attention in (None, "sdpa", "flash_attention_2"):
        check_packing(family.model.config, attention)
    for attention in ("flex_attention", "paged|sdpa", "my_kernel"):
        with pytest.raises(UserError, match="keeps the samples of a row apart"):
            check_packing(family.model.config, attention)
    check_apart(family.model)
    plain = Positions.of_text
    # A model that is told one long sample: what an attention without bounds comes to.
    monkeypatch.setattr(Positions, "of_text", lambda self, lengths: plain(self, [sum(lengths)]))
    with pytest.raises(UserError, match="a sample sees the one before it"):
        check_apart(family.model)


def lengths_of(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).lognormal(5.5, 0.8, count).astype(np.int32) + 20


def batches(mode: Any, lengths: Any, **more: Any) -> Batches:
    shape = {"device_batch": 4, "ranks": 2, "accumulation": 4, "seed": 3, **more}
    return Batches(lengths, np.flatnonzero(lengths), mode=mode, **shape)


@pytest.mark.parametrize("mode", ["by_length", "random", "packed"])
@pytest.mark.parametrize("count", [1, 7, 32, 33, 100, 1000])
@pytest.mark.parametrize("shape", [(4, 2, 4), (1, 1, 1), (8, 1, 2), (2, 4, 1), (1, 8, 16)])
def test_every_row_comes_once_an_epoch(mode, count, shape):
    device_batch, ranks, accumulation = shape
    lengths = lengths_of(count)
    lengths[count // 2] = 0 if count > 1 else 9  # one that is left out
    made = batches(
        mode, lengths, device_batch=device_batch, ranks=ranks, accumulation=accumulation, epochs=2
    )
    whole = device_batch * ranks * accumulation
    for epoch in (0, 1):
        made.set_epoch(epoch)
        lists = list(made)
        assert len(lists) == len(made)
        assert len(made) % ranks == 0
        assert -(-len(made) // (ranks * made.accumulation)) == made.steps
        assert sorted(i for each in lists for i in each) == np.flatnonzero(lengths).tolist()
        if mode != "packed":
            assert max(map(len, lists)) <= device_batch
        # Only the last step is not whole.
        step = ranks * made.accumulation
        sizes = [sum(map(len, lists[i : i + step])) for i in range(0, len(lists), step)]
        assert set(sizes[:-1]) <= {whole}
        assert list(made) == lists
    first = list(made)
    made.set_epoch(0)
    assert made.steps == 1 or list(made) != first


def test_a_step_has_the_same_rows_however_they_are_batched():
    lengths = lengths_of(500)

    def steps(mode: Any) -> list[set[int]]:
        made = batches(mode, lengths, accumulation=16)
        step = 2 * made.accumulation
        lists = list(made)
        return [
            {i for each in lists[k : k + step] for i in each} for k in range(0, len(lists), step)
        ]

    assert steps("random") == steps("by_length") == steps("packed")
    assert len(steps("random")) == 4


def test_packs_are_no_longer_than_their_capacity():
    lengths = lengths_of(1000)
    longest = int(lengths.max())
    for capacity in (None, longest, 3 * longest):
        made = batches("packed", lengths, capacity=capacity, epochs=3)
        for epoch in range(3):
            made.set_epoch(epoch)
            assert max(int(lengths[pack].sum()) for pack in made) <= (capacity or longest)
        assert made.padding() == 0
    assert batches("packed", lengths, capacity=3 * longest).accumulation == 1
    with pytest.raises(UserError, match="does not fit into packs"):
        batches("packed", lengths, capacity=longest - 1)


def test_sorting_takes_most_of_the_padding():
    lengths = lengths_of(5000)
    naive = batches("random", lengths).padding()
    assert naive > 0.4
    assert batches("by_length", lengths).padding() < naive / 5
    assert batches("by_length", lengths, accumulation=1).padding() < naive / 5
    assert batches("by_length", lengths, accumulation=32).padding() < naive / 5
