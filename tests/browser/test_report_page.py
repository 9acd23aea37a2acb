"""The report in a real browser: `make test-browser`, which installs Debian's Chromium and its driver."""

import base64
import shutil
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from analysis.report import main

ROWS = Path(__file__).parents[2] / "benchmarks" / "rows" / "head_to_head_mot17"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert main([str(ROWS), "-o", str(path)]) == 0
    return path


@pytest.fixture
def open_page(page):
    """Opens the report in a window of this size, in dark colours if asked to."""
    opened = []

    def start(width: int = 1300, height: int = 900, *, dark: bool = False) -> webdriver.Chrome:
        browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
        assert browser, "no chromium here: 'make test-browser' installs it"
        assert driver, "no chromedriver here: 'make test-browser' installs it"
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        opened.append(window)
        # The window itself is never as narrow as a phone.
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        window.execute_cdp_cmd("Network.enable", {})
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        window.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
        window.get(page.as_uri())
        return window

    yield start
    for window in opened:
        window.quit()


def column(window: webdriver.Chrome, table: str, title: str) -> list[str]:
    """Cells of a column of the first table whose id ends so."""
    element = window.find_element(By.CSS_SELECTOR, f"div.table[id$='{table}']")
    titles = [heading.text.strip(" ▲▼") for heading in element.find_elements(By.CSS_SELECTOR, "th")]
    place = titles.index(title) + 1
    return [cell.text for cell in element.find_elements(By.CSS_SELECTOR, f"tbody td:nth-child({place})")]


def press(window: webdriver.Chrome, table: str, title: str) -> str:
    element = window.find_element(By.CSS_SELECTOR, f"div.table[id$='{table}']")
    heading = next(th for th in element.find_elements(By.CSS_SELECTOR, "th") if th.text.strip(" ▲▼") == title)
    window.execute_script("arguments[0].querySelector('button').click()", heading)
    return heading.get_attribute("aria-sort")


def test_it_renders_whole_and_without_errors(open_page):
    window = open_page()
    assert window.get_log("browser") == []
    assert "No method is shown to beat (1, 1, 1)" in window.find_element(By.CSS_SELECTOR, "p.lead").text
    pictures = window.find_elements(By.TAG_NAME, "img")
    assert len(pictures) >= 6
    for picture in pictures:
        assert window.execute_script("return arguments[0].complete && arguments[0].naturalWidth", picture) > 400
        assert picture.get_attribute("alt")
    for link in window.find_elements(By.CSS_SELECTOR, "nav a"):
        target = link.get_attribute("href").rpartition("#")[2]
        assert window.find_element(By.ID, target)
    loaded = window.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []


def test_tables_sort_by_what_figures_mean_both_ways_with_missing_ones_last(open_page):
    window = open_page()
    before = column(window, "head_to_head", "method")
    assert press(window, "head_to_head", "device-seconds") == "ascending"
    costs = [int(text.replace(",", "")) for text in column(window, "head_to_head", "device-seconds")]
    assert costs == sorted(costs)
    assert press(window, "head_to_head", "device-seconds") == "descending"
    assert [int(text.replace(",", "")) for text in column(window, "head_to_head", "device-seconds")] == costs[::-1]
    assert press(window, "head_to_head", "method") == "ascending"
    after = column(window, "head_to_head", "method")
    assert after == sorted(after, key=str.lower)
    assert sorted(before) == sorted(after)
    for _ in range(2):
        press(window, "lwf_table_i", "MOTA (ours)")
        ours = column(window, "lwf_table_i", "MOTA (ours)")
        assert ours[2:] == ["-"] * 4
        assert "-" not in ours[:2]
    assert window.get_log("browser") == []


def test_light_and_dark_follow_the_system_and_the_button(open_page):
    colours = []
    for dark in (False, True):
        window = open_page(dark=dark)
        body = window.find_element(By.TAG_NAME, "body")
        colours.append(body.value_of_css_property("background-color"))
        window.find_element(By.ID, "theme").click()
        colours.append(body.value_of_css_property("background-color"))
    light, pressed_dark, dark, pressed_light = colours
    assert light == pressed_light == "rgba(255, 255, 255, 1)"
    assert dark == pressed_dark == "rgba(20, 23, 26, 1)"


def test_on_a_phone_tables_and_pictures_scroll_by_themselves(open_page):
    window = open_page(390, 844)
    assert window.execute_script("return document.documentElement.clientWidth") == 390
    assert window.execute_script("return document.documentElement.scrollWidth") <= 390
    for picture in window.find_elements(By.TAG_NAME, "img"):
        assert picture.size["width"] > 390
        frame = picture.find_element(By.XPATH, "..")
        assert frame.size["width"] <= 390
        assert frame.value_of_css_property("overflow-x") == "auto"
    size = window.execute_script("return parseFloat(getComputedStyle(document.querySelector('p')).fontSize)")
    assert size >= 14


def test_it_prints_to_pdf(open_page):
    window = open_page(dark=True)
    printed = base64.b64decode(window.print_page())
    assert printed.startswith(b"%PDF")
    assert 4 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page/") + printed.count(b"/Type/Page/") <= 40
    assert len(printed) > 50_000
