"""What Locust has people do: ask for single predictions, for batches, and for what is served; every answer is checked.

``docker compose --profile load up --wait locust``, or without containers ``make load-test``.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random
from typing import Any

from locust import FastHttpUser, between, events, task
from locust.argument_parser import LocustArgumentParser

from load_tests.records import draw_record

# Drawn before, so that the time of Locust is spent on requests.
DRAWN_RECORDS = 500


@events.init_command_line_parser.add_listener
def _add_options(parser: LocustArgumentParser) -> None:
    """Options of the command line, which Locust also has in its form."""
    model = os.environ.get("DEFAULT_USE_CASE", "covertype")
    parser.add_argument("--model", default=model, env_var="LOAD_MODEL", help="model to ask")
    parser.add_argument("--batch-rows", type=int, default=100, env_var="LOAD_BATCH_ROWS", help="records of a batch")
    parser.add_argument(
        "--recorded",
        choices=["no", "yes"],
        default="no",
        env_var="LOAD_RECORDED",
        help="yes: predictions go to the prediction log, and count in monitoring",
    )


class Caller(FastHttpUser):
    """One program that asks the inference API again and again."""

    wait_time = between(0.05, 0.5)

    def on_start(self) -> None:
        """Learn what the model asks for.

        Raises
        ------
        RuntimeError
            There is no such model, or none that can predict.
        """
        options = self.environment.parsed_options
        self.model, self.random = options.model, Random()
        with self.client.get(f"/models/{self.model}", name="/models/{name}", catch_response=True) as answer:
            details = answer.json() if answer.status_code == 200 else {}
            if not details.get("schema"):
                answer.failure("it cannot predict")
                raise RuntimeError(f"{self.model} cannot predict at {self.host}: {answer.text}")
        self.path = f"/models/{self.model}/predict{'' if options.recorded == 'yes' else '?log=false'}"
        schema, example = details["schema"], details["input_example"] or {}
        self.records = [draw_record(schema, example, self.random) for _ in range(DRAWN_RECORDS)]
        self.batch = self.random.choices(self.records, k=options.batch_rows)

    @task(20)
    def predict_one(self) -> None:
        """Predict one record."""
        body = self.random.choice(self.records)
        self._check(
            self.client.post(self.path, json=body, name="predict, 1 record", catch_response=True),
            lambda answer: answer["model_name"] == self.model and "prediction" in answer,
        )

    @task(4)
    def predict_batch(self) -> None:
        """Predict a list of records."""
        body, rows = {"records": self.batch}, len(self.batch)
        self._check(
            self.client.post(self.path, json=body, name=f"predict, {rows} records", catch_response=True),
            lambda answer: len(answer["predictions"]) == rows,
        )

    @task(1)
    def list_models(self) -> None:
        """Look what is served."""
        self._check(
            self.client.get("/models", name="/models", catch_response=True),
            lambda answer: any(model["name"] == self.model for model in answer["models"]),
        )

    @staticmethod
    def _check(request: AbstractContextManager[Any], is_right: Callable[[Any], bool]) -> None:
        """Count an answer as failed that is no success or does not say what was asked for."""
        with request as answer:
            if answer.status_code != 200:
                answer.failure(f"HTTP {answer.status_code}: {(answer.text or '')[:200]}")
                return
            try:
                right = is_right(answer.json())
            except (KeyError, TypeError, ValueError):
                right = False
            if not right:
                answer.failure(f"not an answer to what was asked: {answer.text[:200]}")
