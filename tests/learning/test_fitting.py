"""Training: right on data whose truth is known, honest about itself, and never worse by accident."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from keeprate.errors import UsageError
from keeprate.learning.candidates import DEFAULT, PENALTIES, doubt
from keeprate.learning.dataset import DataSet, NotEnoughLabels
from keeprate.learning.fitting import OutOfFold, TrainingResult, train
from keeprate.learning.heads import Head, Recipe
from keeprate.learning.inputs import temper
from keeprate.learning.metrics import Metrics, calibration_error, roc_auc
from support.synthetic_labels import clouds, dataset_of, draw

GENERATOR = np.random.default_rng(0)
AT = datetime(2025, 1, 2, tzinfo=UTC)


def trained(dataset: DataSet, **options: Any) -> TrainingResult:
    defaults: dict[str, Any] = {
        "head_name": "keep",
        "version": 1,
        "model_fingerprint": "model1",
        "trained_at": AT,
        "seed": 0,
    }
    return train(dataset, **{**defaults, **options})


def measured(result: TrainingResult) -> Metrics:
    assert result.metrics is not None
    return result.metrics


def held_out(result: TrainingResult) -> OutOfFold:
    assert result.out_of_fold is not None
    return result.out_of_fold


def against(incumbent: Head, dataset: DataSet, **options: Any) -> TrainingResult:
    """Trained while `incumbent` is in use, which by default learned from the same photos."""
    defaults = {"version": 2, "incumbent": incumbent, "incumbent_trained_on": dataset.content_keys}
    return trained(dataset, **{**defaults, **options})


def joined(first: DataSet, second: DataSet, **changes: Any) -> DataSet:
    """The labels of `first`, and those of `second` under new keys."""
    count = len(first)
    values: dict[str, Any] = {
        "content_keys": (*first.content_keys, *(f"new{number}" for number in range(len(second)))),
        "vectors": np.concatenate([first.vectors, second.vectors]),
        "bucket_indices": np.concatenate([first.bucket_indices, second.bucket_indices]),
        "groups": np.concatenate([first.groups, count + second.groups]),
    }
    return replace(first, **{**values, **changes})


# -- what comes out is right ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [(150, 150), (50, 250)], ids=["balanced", "one keep to five deletes"])
def test_scores_of_new_photos_are_right_and_hold(counts: tuple[int, int]) -> None:
    result = trained(clouds(counts, distance=2.5))
    vectors, indices = draw((counts[0] * 30, counts[1] * 30), width=32, distance=2.5, seed=99)
    probabilities = result.head.probabilities(vectors)
    auc = roc_auc(probabilities[:, 0], indices == 0)
    assert auc > 0.90, "with the true centres it would be 0.935"
    assert calibration_error(probabilities, indices) < 0.04
    assert measured(result).calibration_error < 0.08
    assert measured(result).roc_auc == pytest.approx(auc, abs=0.04), "it knows how good it is"
    assert result.decision.promote
    surest = probabilities[:, 0] > 0.9
    assert (indices[surest] == 0).mean() == pytest.approx(probabilities[surest, 0].mean(), abs=0.06)


def test_three_buckets_are_one_head() -> None:
    result = trained(clouds((80, 80, 80), distance=4))
    vectors, indices = draw((1000, 1000, 1000), width=32, distance=4, seed=99)
    probabilities = result.head.probabilities(vectors)
    assert (result.head.choose(probabilities) == indices).mean() > 0.9
    assert result.head.threshold is None
    assert measured(result).keepers_lost is None
    assert [bucket.bucket for bucket in measured(result).buckets] == ["keep", "delete", "bucket2"]


def test_signals_count_where_they_help_and_hardly_elsewhere() -> None:
    plain = clouds((60, 60), distance=0.5)
    generator = np.random.default_rng(1)
    telling = (generator.normal(size=(120, 3)) + 1.5 * plain.bucket_indices[:, np.newaxis]).astype(np.float32)
    result = trained(replace(plain, signals=telling), signals_version=4)
    assert result.head.uses_signals
    assert (result.head.signal_count, result.head.signals_version) == (3, 4)
    assert measured(result).roc_auc > measured(trained(plain)).roc_auc + 0.1

    clear = clouds((60, 60), distance=4)
    noise = generator.normal(size=(120, 3)).astype(np.float32)
    result = trained(replace(clear, signals=noise), signals_version=4)
    assert result.head.recipe.signal_weight <= 0.05, "noise counts for little or nothing"
    assert measured(result).roc_auc > measured(trained(clear)).roc_auc - 0.01


def test_the_same_seed_gives_the_same_head_and_the_rows_may_be_many_or_wide() -> None:
    for dataset in (clouds((30, 30), width=8), clouds((20, 20), width=500)):
        first, second = trained(dataset), trained(dataset)
        assert (
            first.head.classifier.tensors()["weights"].tobytes()
            == second.head.classifier.tensors()["weights"].tobytes()
        )
        assert first.metrics == second.metrics
        assert first.decision == second.decision


# -- few labels, odd labels -------------------------------------------------------------------------------------------


def test_two_photos_in_each_bucket_train_cautiously() -> None:
    result = trained(clouds((2, 2), distance=30))
    vectors, indices = draw((100, 100), width=32, distance=30, seed=5)
    probabilities = result.head.probabilities(vectors)
    assert roc_auc(probabilities[:, 0], indices == 0) > 0.9
    assert 0.6 < probabilities[:100, 0].mean() < 0.95, "four photos are no certainty"
    assert result.reliability.startswith("A first attempt from 4 photos")
    assert "only 2 photos in “keep”" in result.warnings[0]
    assert measured(result).roc_auc_interval.low == 0.0, "nobody can know yet"


@pytest.mark.parametrize("counts", [(0, 0), (5, 0), (7,)])
def test_too_few_labels_are_not_trained(counts: tuple[int, ...]) -> None:
    with pytest.raises(NotEnoughLabels):
        trained(clouds(counts))


@pytest.mark.parametrize("counts", [(1, 9), (1, 1), (9, 1, 1)])
def test_a_lone_photo_is_learned_from_but_nothing_is_said_about_how_well(counts: tuple[int, ...]) -> None:
    result = trained(clouds(counts, distance=30))
    assert (result.metrics, result.out_of_fold, result.candidates) == (None, None, ())
    vectors, indices = draw((50,) * len(counts), width=32, distance=30, seed=5)
    assert roc_auc(result.head.probabilities(vectors)[:, 0], indices == 0) > 0.9
    assert result.decision.promote
    assert "With one photo in “" in result.decision.reason
    assert "nobody can know yet" in result.reliability


def test_a_lone_photo_does_not_replace_what_was_measured() -> None:
    incumbent = trained(clouds((20, 20))).head
    assert not trained(clouds((1, 9)), incumbent=incumbent).decision.promote
    assert trained(clouds((1, 9)), incumbent=incumbent, model_fingerprint="model2").decision.promote


def test_the_fewer_the_photos_the_better_another_recipe_must_be() -> None:
    assert doubt(DEFAULT, 2) == 0
    for other in (Recipe("logistic", 1.0, 0.05), Recipe("logistic", 0.01, 0.3), Recipe("prototypes", None, 0.05)):
        assert doubt(other, 5) == 2 * doubt(other, 10) == 2 * doubt(other, 1000) > 0


def test_the_background_is_used_and_must_be_finite() -> None:
    dataset, vectors = clouds((5, 5)), draw((100, 100), width=32, distance=2, seed=9)[0]
    alone, among = trained(dataset).head, trained(dataset, background=vectors).head
    assert np.abs(among.mean - temper(vectors).mean(axis=0)).max() < 0.5 * np.abs(alone.mean - among.mean).max()
    vectors[3, 4] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        trained(dataset, background=vectors)


@pytest.mark.parametrize("seed", range(6))
def test_the_same_labels_again_are_no_worse(seed: int) -> None:
    dataset = clouds((30, 30), distance=1.0, seed=seed)
    before = trained(dataset, seed=seed)
    after = trained(dataset, seed=seed, incumbent=before.head, incumbent_trained_on=dataset.content_keys)
    assert after.head.recipe == before.head.recipe
    assert abs(after.decision.difference) < 1e-3
    assert after.decision.promote, after.decision.reason


def test_the_runners_up_are_told_best_first() -> None:
    result = trained(replace(clouds((40, 40)), signals=GENERATOR.normal(size=(80, 3)).astype(np.float32)))
    assert result.candidates[0].chosen
    assert result.candidates[0].penalty == result.head.recipe.penalty
    names = {candidate.name for candidate in result.candidates}
    assert names == {"logistic", "logistic + signals", "prototypes", "prototypes + signals"}


def test_the_leaky_figure_is_told_where_there_are_groups() -> None:
    once = clouds((30, 30), distance=0, seed=2)
    copies = np.repeat(np.arange(60), 4)
    result = trained(dataset_of(once.vectors[copies], once.bucket_indices[copies], groups=copies))
    assert result.ungrouped_roc_auc is not None
    assert result.ungrouped_roc_auc > 0.75 > 0.65 > measured(result).roc_auc
    apart = trained(once)
    assert apart.ungrouped_roc_auc == measured(apart).roc_auc


def test_the_head_for_others_reads_plain_vectors_alone() -> None:
    dataset = clouds((40, 40))
    result = trained(replace(dataset, signals=dataset.vectors[:, :3]))
    assert result.exchange is not None
    assert (result.exchange.tempered, result.exchange.signal_count) == (False, 0)
    vectors, indices = draw((300, 300), width=32, distance=2, seed=7)
    assert roc_auc(result.exchange.probabilities(vectors)[:, 0], indices == 0) > 0.8
    assert trained(dataset, exchange=False).exchange is None


def test_a_ring_around_a_cloud_is_what_the_network_is_for() -> None:
    """No line parts them: linear recipes must lose, and the network be carried into a head that says the same."""
    generator = np.random.default_rng(3)
    vectors = generator.normal(size=(500, 6)).astype(np.float32)
    vectors *= (np.repeat([0.4, 3.0], 250) / np.linalg.norm(vectors, axis=1))[:, np.newaxis].astype(np.float32)
    indices = np.repeat([0, 1], 250).astype(np.intp)
    result = trained(dataset_of(vectors, indices), exchange=False)
    assert result.head.kind == result.head.recipe.candidate == "mlp"
    assert roc_auc(result.head.probabilities(vectors)[:, 0], indices == 0) > 0.95
    again = trained(
        dataset_of(vectors, indices), incumbent=result.head, incumbent_trained_on=tuple(map("key{}".format, range(400)))
    )
    assert abs(again.decision.difference) < 0.05, "the gate can repeat a network too"


def test_a_rare_bucket_with_two_photos_is_learned_with_the_others() -> None:
    result = trained(clouds((60, 60, 2), distance=8))
    assert result.head.probabilities(draw((0, 0, 50), width=32, distance=8, seed=3)[0])[:, 2].mean() > 0.2
    assert measured(result).buckets[2].photos == 2


def test_a_bucket_from_a_single_shoot_trains_with_a_warning() -> None:
    groups = np.array([*range(30), *[30] * 30], np.intp)
    result = trained(replace(clouds((30, 30)), groups=groups))
    assert any("All photos of “delete” come from one shoot" in warning for warning in result.warnings)


def test_equal_vectors_teach_nothing_and_are_not_promoted() -> None:
    result = trained(dataset_of(np.full((40, 16), 0.3, np.float32), np.repeat([0, 1], [10, 30]).astype(np.intp)))
    assert result.head.probabilities(np.full((1, 16), 0.3, np.float32))[0, 0] == pytest.approx(0.25, abs=0.05)
    assert not result.decision.promote


def test_so_many_equal_vectors_that_a_network_would_be_tried() -> None:
    result = trained(dataset_of(np.zeros((500, 8), np.float32), np.repeat([0, 1], 250).astype(np.intp)))
    assert not result.decision.promote


def test_with_very_many_labels_a_part_chooses_the_recipe_and_all_teach(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = clouds((600, 400), distance=2)
    whole = trained(dataset)
    monkeypatch.setattr("keeprate.learning.fitting.ENOUGH_TO_CHOOSE", 200)
    narrowed = trained(dataset)
    assert measured(narrowed).photos == 1000
    assert len(narrowed.candidates) == 1
    vectors, indices = draw((1000, 1000), width=32, distance=2, seed=99)
    aucs = [roc_auc(result.head.probabilities(vectors)[:, 0], indices == 0) for result in (whole, narrowed)]
    assert aucs[1] == pytest.approx(aucs[0], abs=0.01)


def test_labels_by_chance_are_recognised_as_such() -> None:
    aucs = [measured(trained(clouds((40, 40), distance=0, seed=seed))).roc_auc for seed in range(6)]
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.08)


# -- honesty ----------------------------------------------------------------------------------------------------------


def test_duplicates_flatter_unless_they_are_grouped() -> None:
    """Labels by chance, each photo four times: without groups its copies give the answer away."""
    once = clouds((30, 30), distance=0, seed=2)
    copies = np.repeat(np.arange(60), 4)
    slightly_different = once.vectors[copies] + 0.05 * np.random.default_rng(0).normal(size=(240, 32))
    ungrouped = dataset_of(slightly_different.astype(np.float32), once.bucket_indices[copies])
    grouped = replace(ungrouped, groups=copies)
    assert measured(trained(ungrouped)).roc_auc > 0.9
    assert measured(trained(grouped)).roc_auc < 0.65
    assert trained(ungrouped).decision.interval.high < 0 < trained(grouped).decision.interval.high


def test_each_photo_is_predicted_without_its_own_label() -> None:
    """Turning one photo's label around must not turn its own out-of-fold probability towards the new label."""
    dataset = clouds((40, 40), distance=1)
    turned = dataset.bucket_indices.copy()
    turned[0] = 1
    before = held_out(trained(dataset)).probabilities[0, 0]
    after = held_out(trained(replace(dataset, bucket_indices=turned))).probabilities[0, 1]
    assert after < 1 - before + 0.15


def test_decisions_follow_the_threshold_of_the_other_folds() -> None:
    result = trained(clouds((40, 80), distance=2))
    said, decided = held_out(result).probabilities[:, 0], held_out(result).decisions
    for fold in np.unique(held_out(result).fold_of):
        inside = held_out(result).fold_of == fold
        kept, deleted = said[inside & (decided == 0)], said[inside & (decided == 1)]
        assert kept.min(initial=1) > deleted.max(initial=0)
    assert measured(result).keepers_lost == pytest.approx((decided[:40] == 1).mean())


# -- threshold, progress ----------------------------------------------------------------------------------------------


def test_a_threshold_by_hand_is_kept_and_reported() -> None:
    chosen, strict = trained(clouds((50, 50))), trained(clouds((50, 50)), threshold=0.95)
    assert strict.head.threshold == measured(strict).threshold == 0.95
    assert measured(strict).keepers_lost > measured(chosen).keepers_lost  # type: ignore[operator] # two buckets


@pytest.mark.parametrize("threshold", [7.0, 0.0, 1.0, -0.1, float("nan")])
def test_a_threshold_that_makes_no_sense_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="not between 0 and 1"):
        trained(clouds((5, 5)), threshold=threshold)


def test_a_threshold_needs_two_buckets() -> None:
    with pytest.raises(UsageError, match="two buckets; this one has 3"):
        trained(clouds((5, 5, 5)), threshold=0.5)


def test_progress_rises_to_one_and_may_stop_the_training() -> None:
    shares: list[float] = []
    trained(clouds((20, 20)), progress=shares.append)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)

    class Stopped(Exception):
        pass

    def stop(_share: float) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        trained(clouds((20, 20)), progress=stop)


# -- the gate, on real trainings --------------------------------------------------------------------------------------

FIRST = clouds((20, 20), distance=2)
MORE = clouds((150, 150), distance=2, seed=1)


def against_first(dataset: DataSet, **options: Any) -> TrainingResult:
    options = {"incumbent_trained_on": FIRST.content_keys, "incumbent": trained(FIRST).head, **options}
    return trained(dataset, version=2, **options)


def test_many_more_labels_are_promoted() -> None:
    result = against_first(joined(FIRST, MORE))
    assert result.decision.promote
    assert result.decision.interval.high < 0
    assert "better than the version in use" in result.decision.reason


def test_the_same_labels_are_no_worse() -> None:
    result = against_first(FIRST)
    assert abs(result.decision.difference) < 0.05


@pytest.mark.parametrize(("added", "more"), [(0, False), (4, True)])
def test_within_the_noise_more_labels_decide(added: int, more: bool) -> None:
    """A recipe that suits the out-of-fold figures by chance cannot be beaten, only equalled within the noise."""
    dataset = joined(FIRST, clouds((added, added), distance=2, seed=11)) if added else FIRST
    lucky = [replace(trained(FIRST).head, recipe=Recipe("logistic", penalty)) for penalty in PENALTIES]
    decisions = [against_first(dataset, incumbent=head).decision for head in lucky]
    doubtful = [decision for decision in decisions if decision.difference > 0 and decision.interval.low < 0]
    assert doubtful, "else this test tests nothing"
    assert {decision.promote for decision in doubtful} == {more}


def test_a_change_of_taste_is_promoted() -> None:
    """What was kept is deleted now, and there is more of it than of the old."""
    turned = replace(MORE, bucket_indices=1 - MORE.bucket_indices)
    assert against_first(joined(FIRST, turned)).decision.promote


@pytest.mark.parametrize("seed", [2, 3])
def test_a_head_whose_labels_were_all_withdrawn_is_held_to_those_that_stand(seed: int) -> None:
    """It cannot be repeated, and what the person wants instead is hard to see: it may not stay on that ground."""
    withdrawn, standing = clouds((30, 30), distance=4), clouds((15, 15), distance=4, seed=2)
    contrary = (1 - standing.bucket_indices) ^ (np.random.default_rng(seed).random(30) < 0.4)
    standing = replace(standing, bucket_indices=contrary.astype(np.intp))
    contradicted = trained(withdrawn).head
    decision = against(contradicted, standing, incumbent_trained_on=()).decision
    assert decision.promote
    assert decision.reason.startswith("Too few of the labels")
    assert "the labels that stand contradict it" in decision.reason
    agreeing = replace(contradicted, buckets=("delete", "keep"))  # the same, with its columns the other way round
    assert not against(agreeing, standing, incumbent_trained_on=()).decision.promote


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"model_fingerprint": "model2"}, "made for another model"),
        ({"incumbent_trained_on": ()}, "Too few of the labels"),
        ({"incumbent_trained_on": FIRST.content_keys[:21]}, "Too few of the labels"),
    ],
)
def test_where_nothing_can_be_compared_it_says_why(options: dict[str, Any], reason: str) -> None:
    decision = against_first(joined(FIRST, MORE), **options).decision
    assert decision.promote
    assert decision.reason.startswith(("The version in use was " + reason, reason)), decision.reason
    assert "better than the base rate" in decision.reason


def test_other_buckets_cannot_be_compared() -> None:
    dataset = replace(joined(FIRST, MORE), buckets=("keep", "reject"))
    assert against_first(dataset).decision.reason.startswith("The version in use has other buckets")


def test_signals_measured_differently_cannot_be_compared() -> None:
    signals = np.repeat(FIRST.bucket_indices, 2).reshape(-1, 2).astype(np.float32)
    dataset = replace(clouds((20, 20), distance=0.1), signals=signals)
    incumbent = trained(dataset, signals_version=1).head
    assert incumbent.uses_signals
    keys = dataset.content_keys
    again = {"incumbent": incumbent, "incumbent_trained_on": keys}
    assert "version in use" in trained(dataset, signals_version=1, **again).decision.reason
    assert "measured differently" in trained(dataset, signals_version=2, **again).decision.reason


@pytest.mark.parametrize("groups_of_a_bucket", [3, 5, 9])
def test_few_groups_need_fewer_folds_than_photos_would(groups_of_a_bucket: int) -> None:
    """What the grouping costs is measured with the folds that there would be without groups: perhaps more of them."""
    dataset = clouds((22, 22), seed=3)
    groups = np.arange(44) // 2 % groups_of_a_bucket + groups_of_a_bucket * dataset.bucket_indices
    result = trained(replace(dataset, groups=groups.astype(np.intp)))
    assert measured(result).groups == 2 * groups_of_a_bucket
