"""Which metrics are shown, and how."""

from ui.metrics import main_metrics, rounded, shown_metric


def test_the_main_metrics_come_in_the_usual_order_without_the_rest() -> None:
    assert main_metrics([{"log_loss": 0.4, "f1_macro": 0.8}, {"accuracy": 0.9}]) == ["accuracy", "f1_macro"]


def test_metrics_named_after_the_held_out_rows_count() -> None:
    assert main_metrics([{"holdout_accuracy": 0.9, "fit_seconds": 3.0}]) == ["holdout_accuracy"]


def test_a_model_with_other_metrics_shows_its_first_ones() -> None:
    assert main_metrics([{"a": 1.0, "b": 2.0}]) == ["a", "b"]
    assert main_metrics([{}]) == []


def test_metrics_have_the_digits_that_matter() -> None:
    assert [shown_metric(value) for value in (0.86391, 201345.2, None)] == ["0.8639", "201,345", ""]
    assert [rounded(value) for value in (0.86391, 201345.2, None)] == [0.8639, 201345, None]
