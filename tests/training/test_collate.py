"""Batches as models read them: padding, pictures, dummies, unreadable rows."""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from training_data import FAMILIES, draw, random_rows, record, surveyed, write_rows

from harness import images
from harness.errors import RowError
from training._pictures import FORMATS
from training.collate import SKIPPED, Collator
from training.cross_attention import blind_text_rows
from training.masks import IGNORED, EncoderSource
from training.rows import open_rows


def load_model(folder: Path) -> Any:
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    blind_text_rows(model)
    return model


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tiny_models, tmp_path_factory) -> Any:
    """A family's model, and sixteen rows with and without pictures."""
    folder = tmp_path_factory.mktemp(request.param)
    path = random_rows(folder, 16, text_only=0.4, most=8)
    source = EncoderSource(str(tiny_models[request.param]))
    rows = open_rows(str(path))
    made = surveyed(path, source, folder / "survey")
    with_picture = [i for i in range(16) if made.pictures[i]]
    return SimpleNamespace(
        name=request.param,
        model=load_model(tiny_models[request.param]),
        source=source,
        rows=rows,
        survey=made,
        shown=with_picture,
        plain=[i for i in range(16) if i not in with_picture],
        collator=Collator(rows, source, made),
    )


def run(model: Any, batch: dict[str, Any]) -> Any:
    import torch

    inputs = {name: value for name, value in batch.items() if name != SKIPPED}
    with torch.no_grad():
        return model(**inputs, use_cache=False)


def summed(model: Any, batch: dict[str, Any]) -> float:
    """Loss times label tokens: what batches may be cut into without changing it."""
    tokens = int((batch["labels"][:, 1:] != IGNORED).sum())
    return float(run(model, batch).loss) * tokens if tokens else 0.0


def test_a_batch_is_what_the_processor_makes(family):
    import torch

    # Mllama's processor takes no batch in which some rows have pictures and others have none.
    indices = family.shown[:4]
    batch = family.collator(indices)
    processor = family.collator.encoder.processor
    rows = [family.rows[i] for i in indices]

    pictures = [[images.load(ref, FORMATS).image for ref in row.images] for row in rows]
    texts = [family.collator.encoder._speaker.speak(row).text for row in rows]
    bos = processor.tokenizer.bos_token
    theirs = processor(
        text=texts,
        images=pictures,
        padding=True,
        padding_side="right",
        return_tensors="pt",
        add_special_tokens=not (bos and texts[0].startswith(bos)),
    )
    # Where a line feed meets an answer ours may have other tokens (see test_masks); the rest is
    # the same to the bit.
    same_length = batch["input_ids"].shape == theirs["input_ids"].shape
    differing = set() if same_length else {"cross_attention_mask"}
    for name in set(theirs) - {"input_ids", "attention_mask", "mm_token_type_ids"} - differing:
        assert torch.equal(batch[name], theirs[name]), name
    assert set(theirs) <= set(batch)
    assert batch["attention_mask"].sum(1).tolist() == [family.survey.lengths[i] for i in indices]
    labels = batch["labels"]
    assert torch.equal(labels[labels != IGNORED], batch["input_ids"][labels != IGNORED])


def test_one_row_at_a_time_or_all_together_is_the_same_loss(family):
    together = summed(family.model, family.collator(range(16)))
    alone = sum(summed(family.model, family.collator([i])) for i in range(16))
    assert together == pytest.approx(alone, rel=1e-6)


def test_a_dummy_picture_changes_no_loss(family):
    bare = Collator(family.rows, family.source, family.survey, dummy_picture=False)
    indices = family.plain[:4]
    with_dummy, without = family.collator(indices), bare(indices)
    assert "pixel_values" in with_dummy
    assert "pixel_values" not in without
    assert summed(family.model, with_dummy) == pytest.approx(
        summed(family.model, without), rel=1e-6
    )
    # The picture is seen by nobody, but the vision encoder runs: ZeRO-3 counts on it.
    family.model.zero_grad()
    loss = family.model(
        **{k: v for k, v in with_dummy.items() if k != SKIPPED}, use_cache=False
    ).loss
    loss.backward()
    vision = [p.grad for n, p in family.model.named_parameters() if "visual" in n or "vision" in n]
    assert any(grad is not None for grad in vision)
    assert all(float(grad.abs().max()) < 1e-8 for grad in vision if grad is not None)
    family.model.zero_grad()


def test_rows_are_the_same_under_gradient_checkpointing(family):
    batch = {k: v for k, v in family.collator(range(4)).items() if k != SKIPPED}
    plain = family.model(**batch, use_cache=False).loss
    plain.backward()
    grads = {n: p.grad.clone() for n, p in family.model.named_parameters() if p.grad is not None}
    family.model.zero_grad()
    family.model.gradient_checkpointing_enable({"use_reentrant": False})
    family.model.train()
    loss = family.model(**batch, use_cache=False).loss
    loss.backward()
    assert float(loss) == pytest.approx(float(plain), rel=1e-6)
    for name, parameter in family.model.named_parameters():
        if name in grads:
            assert parameter.grad.allclose(grads[name], rtol=1e-4, atol=1e-7), name
    family.model.zero_grad()
    family.model.gradient_checkpointing_disable()
    family.model.eval()


def test_batches_with_pictures_have_no_dummy(family):
    bare = Collator(family.rows, family.source, family.survey, dummy_picture=False)
    mixed = [family.plain[0], family.shown[0]]
    assert family.collator(mixed)["input_ids"].tolist() == bare(mixed)["input_ids"].tolist()


def test_no_rows_make_a_batch_without_loss(family):
    batch = family.collator([])
    assert batch["input_ids"].shape[0] == 1
    assert set(batch["labels"].flatten().tolist()) == {IGNORED}
    assert "pixel_values" in batch
    assert run(family.model, batch).logits.isfinite().all()


def test_it_works_in_other_processes(family):
    import torch
    from torch.utils.data import DataLoader

    copy = pickle.loads(pickle.dumps(family.collator))  # noqa: S301
    assert "encoder" not in copy.__dict__
    loader = DataLoader(
        range(16), batch_sampler=[[0, 1], [], [5, 3, 2]], collate_fn=copy, num_workers=1
    )
    for made, indices in zip(loader, ([0, 1], [], [5, 3, 2]), strict=True):
        expected = family.collator(indices)
        assert set(made) == set(expected)
        assert all(torch.equal(made[name], expected[name]) for name in made)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_picture_that_became_unreadable_costs_its_row_only(tiny_models, tmp_path, name):
    for picture in "abc":
        draw(60, 90, ord(picture)).save(tmp_path / f"{picture}.png")
    path = write_rows(
        tmp_path, [record("<image>What?", f"It is {p}.", images=(f"{p}.png",)) for p in "abc"]
    )
    source = EncoderSource(str(tiny_models[name]))
    collator = Collator(open_rows(str(path)), source, surveyed(path, source, tmp_path / "out"))
    model = load_model(tiny_models[name])
    expected = summed(model, collator([0, 2]))
    assert collator([0, 1, 2])[SKIPPED].tolist() == []
    (tmp_path / "b.png").write_text("gone")
    batch = collator([0, 1, 2])
    assert batch[SKIPPED].tolist() == [1]
    assert summed(model, batch) == pytest.approx(expected, rel=1e-6)
    (tmp_path / "b.png").unlink()
    assert collator([1])[SKIPPED].tolist() == [1]
    # One of another size than surveyed is another row, too, where its tokens are others.
    draw(200, 90).save(tmp_path / "b.png")
    assert collator([1])[SKIPPED].tolist() == ([] if name == "mllama" else [1])
    (tmp_path / "b.png").write_text("gone")
    with pytest.raises(RowError, match="is not JPEG"):
        collator.sample(1)
