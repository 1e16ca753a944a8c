"""The engines of baselines: what each answers, and that a file read back answers as what was saved."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.errors import SpecError
from lockgate.runtime import formats
from lockgate.runtime.formats.constant import save_constant
from lockgate.runtime.formats.rule import RuleFile, rule, save_rule


def matrix(rows: int = 500, seed: int = 0):
    return np.random.default_rng(seed).normal(size=(rows, 3)).astype(np.float32)


def test_a_constant_answers_every_row_alike(tmp_path):
    save_constant(tmp_path, 0.23)
    read = formats.load(formats.native(tmp_path, "constant")).answer
    assert read(matrix(4)).tolist() == [0.23] * 4
    assert read(matrix(0)).shape == (0,)


RULE = RuleFile(columns=(0, 2), edges=((1.0,), (0.0, 10.0)), values=(*(n / 100 for n in range(11)), None), default=0.5)


@pytest.mark.parametrize(
    ("first", "third", "cell"),
    [
        (0.0, -1.0, 0),
        (0.0, 0.0, 1),  # an edge belongs to the bin above it
        (0.999, 9.999, 1),
        (0.0, 10.0, 2),
        (0.0, np.nan, 3),
        (1.0, -1.0, 4),
        (5.0, 5.0, 5),
        (5.0, np.inf, 6),
        (5.0, np.nan, 7),
        (np.nan, -np.inf, 8),
        (np.nan, 3.0, 9),
        (np.nan, 99.0, 10),
    ],
)
def test_a_rule_finds_the_cell_of_a_row_and_missing_has_cells_of_its_own(first, third, cell):
    row = np.array([[first, 77.0, third]], dtype=np.float32)
    assert rule(RULE)(row).tolist() == [cell / 100]


def test_a_cell_that_training_never_saw_answers_the_default():
    assert rule(RULE)(np.array([[np.nan, 0.0, np.nan]], dtype=np.float32)).tolist() == [0.5]


def test_a_rule_over_no_columns_is_its_one_value():
    assert rule(RuleFile(columns=(), edges=(), values=(0.3,), default=0.0))(matrix(3)).tolist() == [0.3] * 3


def test_a_rule_read_back_answers_as_the_one_saved(tmp_path):
    x = matrix(200)
    x[::7, 0] = np.nan
    saved = save_rule(tmp_path, RULE)
    assert formats.load(formats.native(tmp_path, "rule")).answer(x).tolist() == saved(x).tolist()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"values": (0.1,)}, "does not have 1 cells"),
        ({"edges": ((1.0,),)}, "does not have"),
        ({"edges": ((1.0,), (10.0, 0.0))}, "must grow"),
        ({"edges": ((1.0,), (0.0, 0.0))}, "must grow"),
    ],
)
def test_a_rule_whose_sizes_do_not_fit_is_refused(changed, said):
    import msgspec

    with pytest.raises(SpecError, match=said):
        rule(msgspec.structs.replace(RULE, **changed))


def test_chances_per_class_are_answered_by_a_constant_and_by_a_rule(tmp_path):
    save_constant(tmp_path, (0.2, 0.3, 0.5))
    assert formats.load(formats.native(tmp_path, "constant")).answer(matrix(2)).tolist() == [[0.2, 0.3, 0.5]] * 2
    cells = ((0.1, 0.9), (0.4, 0.6), None)
    found = rule(RuleFile(columns=(0,), edges=((0.0,),), values=cells, default=(0.5, 0.5)))
    assert found(np.array([[-1.0], [1.0], [np.nan]])).tolist() == [[0.1, 0.9], [0.4, 0.6], [0.5, 0.5]]


def test_a_rule_whose_cells_answer_for_other_classes_is_refused():
    with pytest.raises(SpecError, match="the same classes"):
        rule(RuleFile(columns=(), edges=(), values=((0.1, 0.9),), default=0.5))
