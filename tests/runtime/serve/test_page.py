"""The page, in a real browser; skipped where there is no Chromium."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from .conftest import Server

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver (chromium-driver)")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=900,1000"
)


class Page:
    """A tab of Chromium on a server's page."""

    def __init__(self, profile: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for flag in [*FLAGS.split(), f"--user-data-dir={profile}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))

    def open(self, address: str, *, dark: bool = False) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get(address)

    def find(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def texts(self, css: str) -> list[str]:
        return [each.text for each in self.driver.find_elements(By.CSS_SELECTOR, css)]

    def until(self, condition: Callable[[], object]) -> None:
        WebDriverWait(self.driver, 15, 0.02).until(lambda _: condition())

    def type(self, css: str, text: str) -> None:
        """Paste: keys one by one would take long for a long text."""
        self.driver.execute_script("arguments[0].value = arguments[1]", self.find(css), text)

    def complaints(self) -> list[str]:
        """Errors in the console, of scripts and of the security policy; a test provokes those of the network itself."""
        log = self.driver.get_log("browser")
        return [each["message"] for each in log if each["source"] != "network" and each["level"] == "SEVERE"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    page = Page(tmp_path_factory.mktemp("chromium"))
    yield page
    page.driver.quit()


@pytest.fixture
def page(browser: Page, server: Server) -> Iterator[Page]:
    browser.open(server.address + "/")
    browser.until(lambda: browser.find("#state").text == "ready")
    yield browser
    assert browser.complaints() == []


def classify(page: Page, text: str) -> None:
    page.type("#texts", text)
    page.find("#classify .go").click()


def test_several_texts_get_their_bars_and_the_time_is_split(page: Page) -> None:
    classify(page, "What a delight\n\nI hate this so much")
    page.until(lambda: len(page.texts(".results > li")) == 2)
    assert page.texts(".text") == ["What a delight", "I hate this so much"]
    assert page.texts(".scores li:first-child .label") == ["POSITIVE", "NEGATIVE"]
    assert page.texts(".scores li:first-child .value")[1].startswith("97.1")
    widths = [bar.size["width"] for bar in page.driver.find_elements(By.CSS_SELECTOR, ".track i")]
    assert widths[0] > widths[1]
    legend = " ".join(page.texts("#legend li"))
    for part in ("tokenise", "queue", "model", "network and browser", "12 tokens"):
        assert part in legend
    page.find("details summary").click()
    assert (
        f"-d '{json.dumps({'inputs': ['What a delight', 'I hate this so much']}, separators=(',', ':'))}'"
        in page.find("#curl").text
    )


def test_a_long_text_is_shown_to_be_truncated(page: Page) -> None:
    classify(page, "never again " * 600)
    page.until(lambda: page.texts(".badge"))
    assert page.texts(".badge") == ["cut after 512 tokens: the rest was not read"]
    assert page.find(".text").size["height"] < 100


def test_a_tagger_s_spans_are_highlighted_where_they_stand(
    browser: Page, start: Callable[..., Server], tiny_tagger: Path
) -> None:
    server = start(tiny_tagger)
    browser.open(server.address + "/")
    browser.until(lambda: browser.find("#classify .go").text == "Tag")
    text = "\U0001f600 Anna went to Paris, caf\u00e9"
    spans = server.post("/tag", {"inputs": text})
    assert spans
    classify(browser, text)
    browser.until(lambda: browser.texts(".tagged"))
    script = "return [...document.querySelectorAll('.tagged mark')].map((mark) => mark.firstChild.textContent)"
    assert browser.driver.execute_script(script) == [text[each["start"] : each["end"]] for each in spans]
    assert browser.texts(".tagged mark small") == [each["label"] for each in spans]
    assert browser.complaints() == []


def test_two_texts_are_compared(page: Page) -> None:
    page.find("#tab-compare").click()
    page.type("#first", "A man is playing a guitar")
    page.type("#second", "A man is playing a guitar")
    page.find("#compare .go").click()
    page.until(lambda: page.texts("p.similarity"))
    assert page.find("p.similarity").text.startswith("1.000")


def test_another_model_is_chosen_by_name(page: Page) -> None:
    page.driver.execute_script(
        "const s = document.getElementById('model'); s.value = 'tiny'; s.dispatchEvent(new Event('change'))"
    )
    assert "3 labels" in page.find("#about").text
    classify(page, "good")
    page.until(lambda: len(page.texts(".scores li")) == 3)


def test_a_model_for_inference_takes_labels_of_ones_own(
    browser: Page, page: Page, start: Callable[..., Server], tiny_copy: Path, rewrite: Callable[..., None]
) -> None:
    assert not page.find("#labels").is_displayed()  # sst2-mini
    rewrite(lambda manifest: manifest.update(labels=["entailment", "neutral", "contradiction"], activation="none"))
    server = start(tiny_copy)
    browser.open(server.address + "/")
    browser.until(lambda: browser.find("#labels").is_displayed())
    shown = "return [...document.querySelectorAll('.scores .label')].map((each) => each.textContent).sort().join()"
    browser.type("#labels", "films, food ,,war")
    classify(browser, "good\nbad")
    browser.until(lambda: browser.driver.execute_script(shown) == "films,films,food,food,war,war")
    assert all(value.endswith("%") for value in browser.texts(".scores .value"))
    browser.find("#several").click()
    classify(browser, "good")
    browser.until(lambda: browser.driver.execute_script(shown) == "films,food,war")
    browser.find("details summary").click()
    assert '"candidate_labels":["films","food","war"],"multi_label":true' in browser.find("#curl").text
    browser.type("#labels", " ")
    classify(browser, "good")
    browser.until(lambda: browser.driver.execute_script(shown) == "contradiction,entailment,neutral")


def test_a_model_that_ranks_has_a_form_for_it(
    browser: Page, page: Page, start: Callable[..., Server], tiny_ranker: Path
) -> None:
    assert not page.find("#tab-rank").is_displayed()  # sst2-mini
    server = start(tiny_ranker)
    browser.open(server.address + "/")
    browser.until(lambda: browser.find("#tab-rank").is_displayed())
    browser.find("#tab-classify").send_keys(Keys.ARROW_RIGHT)
    assert browser.driver.switch_to.active_element.get_attribute("id") == "tab-rank"
    browser.type("#query", "how was the film")
    browser.type("#documents", "good\n\n" + "never again " * 60 + "\nbad")
    browser.find("#rank .go").click()
    browser.until(lambda: len(browser.texts(".ranked li")) == 3)
    body = {"query": "how was the film", "documents": ["good", "never again " * 60, "bad"]}
    answer = server.post("/rank", body)
    assert browser.texts(".ranked .value") == [f"{each['score']:.3f}" for each in answer]
    assert browser.texts(".ranked .badge") == ["cut"]
    browser.find("details summary").click()
    assert '"query":"how was the film","documents":["good",' in browser.find("#curl").text


def test_everything_works_from_the_keyboard_and_is_named_for_screen_readers(page: Page) -> None:
    assert page.driver.switch_to.active_element.get_attribute("id") == "texts"
    page.driver.switch_to.active_element.send_keys("good", Keys.CONTROL, Keys.ENTER)
    page.until(lambda: page.find("#summary").get_attribute("textContent"))
    assert (page.find("#summary").get_attribute("textContent") or "").startswith("POSITIVE, 97.")
    page.find("#tab-classify").send_keys(Keys.ARROW_RIGHT)
    assert page.driver.switch_to.active_element.get_attribute("id") == "tab-compare"
    assert page.find("#compare").is_displayed()
    named = "return [...document.querySelectorAll('input,textarea,select,button')].filter((e) => e.checkVisibility())"
    for each in page.driver.execute_script(named):
        assert each.accessible_name, each.get_attribute("outerHTML")


def test_a_refusal_of_the_server_is_shown(page: Page) -> None:
    classify(page, "\n".join(["a"] * 1025))
    page.until(lambda: page.find("#notice").text)
    assert page.find("#notice").text == "Expected at most 1024 texts in a request, got 1025."
    assert not page.find("#output").is_displayed()


def test_an_overload_is_shown_with_the_time_to_wait(browser: Page, start: Callable[..., Server], mini: Path) -> None:
    server = start(mini, "--max-queue-tokens", 600, "--workers", 1)
    browser.open(server.address + "/")
    browser.until(lambda: browser.find("#state").text == "ready")
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            server.request("POST", "/predict", {"inputs": "never again " * 400})

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):  # until one of them finds the queue full
            classify(browser, "never again " * 400)
            browser.until(lambda: not browser.find(".go").get_attribute("aria-disabled"))
            if browser.find("#notice").text:
                break
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert browser.find("#notice").text == "The server is busy. Try again in 1 s."
    assert "busy" in (browser.find("#notice").get_attribute("class") or "")


def test_a_key_is_asked_for_and_used(browser: Page, start: Callable[..., Server], tiny: Path) -> None:
    server = start(tiny, "--api-key", "sesame")
    browser.open(server.address + "/")
    browser.until(lambda: browser.find("#key-form").is_displayed())
    assert browser.find("#state").text == "needs a key"
    browser.find("#key").send_keys("wrong", Keys.ENTER)
    browser.until(lambda: browser.find("#notice").text == "This key is wrong.")
    browser.find("#key").send_keys("sesame", Keys.ENTER)
    browser.until(lambda: browser.find("#state").text == "ready")
    classify(browser, "good")
    browser.until(lambda: len(browser.texts(".scores li")) == 3)


def test_a_server_that_stopped_is_shown(browser: Page, start: Callable[..., Server], tiny: Path) -> None:
    server = start(tiny)
    browser.open(server.address + "/")
    browser.until(lambda: browser.find("#state").text == "ready")
    server.stop()
    classify(browser, "good")
    browser.until(lambda: browser.find("#notice").text == "The server cannot be reached.")
    browser.until(lambda: browser.find("#state").text == "unreachable")


def test_dark_is_dark_and_light_is_light(browser: Page, server: Server) -> None:
    luminance = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((a, b) => a + +b, 0)"
    browser.open(server.address + "/", dark=True)
    assert browser.driver.execute_script(luminance) < 150
    browser.open(server.address + "/", dark=False)
    assert browser.driver.execute_script(luminance) > 600


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_nothing_is_fetched_from_elsewhere(browser: Page, server: Server, path: str) -> None:
    browser.open(server.address + path)
    browser.until(lambda: "ready" in browser.find("body").text or browser.texts("details"))
    names = browser.driver.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert names
    assert all(name.startswith((server.address, "data:")) for name in names)
    assert browser.complaints() == []


def test_docs_show_every_path_and_can_try_one(browser: Page, server: Server) -> None:
    browser.open(server.address + "/docs")
    browser.until(lambda: browser.texts("details"))
    shown = set(browser.texts("summary code"))
    assert shown == set(server.get("/openapi.json")["paths"])
    for summary in browser.driver.find_elements(By.CSS_SELECTOR, "summary"):
        if summary.find_element(By.CSS_SELECTOR, "code").text == "/predict":
            summary.click()
            break
    browser.until(lambda: browser.texts("details[open] button"))
    browser.find("details[open] button").click()
    browser.until(lambda: "POSITIVE" in browser.find("details[open] pre").text)
    assert browser.find("details[open] pre").text.startswith("200 OK")
    assert browser.complaints() == []
