"""Chromium of the machine, driven by Playwright; Playwright's own download is not needed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

NO_CHROMIUM = "no Chromium: install it (Debian: apt-get install chromium) or set CHROMIUM to its path"
# A cold start under load: Streamlit imports pandas and Altair with the first page.
PATIENCE_MS = 60_000
# What a page is made of, but for the page itself and what it asks for later.
PARTS = ("font", "script", "stylesheet")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """Path of the browser: ``CHROMIUM``, else the first of Debian's and others' names on the path."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def may_skip() -> bool:
    """Whether a test may be left out because there is no Chromium; REQUIRE_BROWSER=1, as in CI, forbids it."""
    return find_chromium() is None and os.environ.get("REQUIRE_BROWSER") != "1"


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Run a headless browser until the block ends; what is expected of its pages may come within `PATIENCE_MS`.

    Raises
    ------
    RuntimeError
        There is no Chromium.
    """
    executable = find_chromium()
    if executable is None:
        raise RuntimeError(NO_CHROMIUM)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, **options: Any) -> Iterator[Page]:
    """An empty page without a past; takes the options of `Browser.new_context`."""
    context = browser.new_context(locale="en-US", **options)
    context.set_default_timeout(PATIENCE_MS)
    context.route("**/*", _fetch_outside)
    try:
        yield context.new_page()
    finally:
        context.unroute_all(behavior="ignoreErrors")
        context.close()


def _fetch_outside(route: Route) -> None:
    """Have Playwright fetch the parts of a page.

    Chromium drops what it is loading when a network interface of the machine comes or goes, as those of containers do,
    and a page that lacks one of its scripts does not try again.
    """
    if route.request.resource_type in PARTS:
        route.fulfill(response=route.fetch())
    else:
        route.continue_()
