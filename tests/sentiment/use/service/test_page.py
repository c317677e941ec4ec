"""The service's page as its user sees it, in a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sentiment.model.text_settings import TextSettings, write_text_settings
from sentiment.use.explain import explain
from sentiment.use.predict import Predictor
from sentiment.use.service.serve import make_app
from tests.browser import NEEDS_CHROMIUM, Browser
from tests.serving import serving
from tests.trained import tiny_classifier

pytestmark = NEEDS_CHROMIUM

NAMES = ("<i>bad</i>", "good")
HOSTILE = "so good <img src=x onerror=alert(1)> a <b>film</b> <script>alert(2)</script> &lt;u&gt; never dull"
CONTRASTS = """
(() => {
  const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return /, 0\\)$/.test(colour) && element.parentElement ? ground(element.parentElement) : colour;
  };
  return [...document.querySelectorAll('h1, .soft, label, textarea, button, h2, .number, .text')].map((element) => {
    const [low, high] = [light(getComputedStyle(element).color), light(ground(element))].sort((one, other) => one - other);
    return [element.tagName, (high + 0.05) / (low + 0.05)];
  });
})()
"""


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tiny_classifier(tmp_path_factory.mktemp("page") / "classifier", NAMES)
    write_text_settings(folder, TextSettings(32, "head", strip_html=False, precision="fp32"))
    return Predictor(folder)


@pytest.fixture(scope="module")
def address(predictor: Predictor) -> Iterator[str]:
    with serving(make_app(predictor, "<u>tiny</u>", ["127.0.0.1"])) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def page(address: str, tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "profile") as browser:
        browser.look(1280)
        browser.open(address)
        browser.wait("document.querySelector('#model').textContent.trim()")
        yield browser
        assert browser.errors == [] and browser.dialogs == []
        assert all(asked.startswith((address, "data:")) for asked in browser.requests)  # nothing comes from another machine


def classify(page: Browser, text: str) -> None:
    page.run("document.querySelector('#text').value = ''; document.querySelector('#text').focus()")
    page.type(text)
    page.click("#ask")
    page.wait("document.querySelector('#answer .words') && !document.querySelector('#ask').disabled")


def test_it_shows_the_probabilities_and_the_words_that_moved_it(page: Browser, predictor: Predictor) -> None:
    text = "so good, and never a dull film"
    classify(page, text)
    expected = explain(predictor, text)
    assert page.run("document.querySelector('#answer h2').textContent") == expected.label
    other = next(name for name in NAMES if name != expected.label)
    shown = page.run("[...document.querySelectorAll('.class')].map((row) => [...row.children].map((cell) => cell.textContent))")
    share = 100 * expected.probability
    assert shown == [[expected.label, "", f"{share:.1f} %"], [other, "", f"{100 - share:.1f} %"]]
    assert page.run("document.querySelector('#answer .text').textContent") == text
    strongest = expected.strongest[0]
    listed = page.run("[...document.querySelectorAll('.words li')].map((item) => item.textContent)")
    assert listed[1] == f"{text[strongest.start : strongest.end]} {'+' if strongest.weight > 0 else '−'}{abs(strongest.weight):.2f}"
    marked = page.run("[...document.querySelectorAll('.text .for, .text .against')].map((part) => [part.className, part.textContent])")
    assert ["for" if strongest.weight > 0 else "against", text[strongest.start : strongest.end]] in marked


def test_html_in_a_text_a_class_and_a_model_is_shown_and_runs_nothing(page: Browser) -> None:
    classify(page, HOSTILE)
    assert page.run("document.querySelector('#answer .text').textContent") == HOSTILE
    assert "<i>bad</i>" in page.run("document.querySelector('#answer').textContent")
    assert page.run("document.querySelector('#model').textContent").startswith("<u>tiny</u>, 2 classes")
    assert page.run("document.querySelectorAll('main img, main script, main b, main i, main u').length") == 0


def test_a_phone_scrolls_in_one_direction_only(page: Browser) -> None:
    for width in (320, 390):
        page.look(width)
        assert page.run("document.documentElement.scrollWidth") == width
        classify(page, "good " * 30 + "x" * 300)
        assert page.run("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read_by_day_and_by_night(page: Browser, dark: bool) -> None:
    page.look(1280, dark=dark)
    classify(page, "so good a film")
    red, green, blue = page.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (max(red, green, blue) < 64) if dark else (min(red, green, blue) > 192)
    contrasts = page.run(CONTRASTS)
    assert len(contrasts) >= 8
    assert all(contrast >= 4.5 for _, contrast in contrasts), contrasts  # WCAG AA


def test_what_has_no_answer_is_said_in_words(page: Browser, address: str) -> None:
    page.click("#ask")
    page.wait("document.querySelector('#answer').textContent.includes('nothing to read')")
    page.run("const asked = fetch; window.fetch = (path, request) => asked('http://127.0.0.1:9/', request)")
    page.type("good")
    page.click("#ask")
    page.wait("document.querySelector('#answer .wrong')")
    assert "does not answer" in page.run("document.querySelector('#answer').textContent")
    page.requests.clear()
    page.errors.clear()
