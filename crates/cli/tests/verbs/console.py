"""The console in Chromium: console.py HOST:PORT SHOTS HOME CHROMIUM DRIVER PID ADDRESS

PID is the process of the datanode at ADDRESS; it is killed on the way."""

import hashlib
import os
import signal
import sys
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

address, shots, home, chromium, driver_path, pid, victim = sys.argv[1:]
downloads = os.path.join(home, "downloads")
os.makedirs(downloads, exist_ok=True)
data = os.urandom(4_000_000)
local = os.path.join(home, "holiday pictures.bin")
with open(local, "wb") as file:
    file.write(data)

options = webdriver.ChromeOptions()
options.binary_location = chromium
for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
    options.add_argument(flag)
options.add_experimental_option("prefs", {"download.default_directory": downloads})
options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
browser = webdriver.Chrome(options=options, service=Service(driver_path))


def wait(what, true, patience=60):
    return WebDriverWait(browser, patience, ignored_exceptions=(Exception,)).until(lambda _: true(), what)


def go(page):
    browser.get(f"http://{address}/console/#/{page}")


def text():
    return browser.find_element(By.ID, "main").text


def press(words, within="body"):
    def found():
        for one in browser.find_elements(By.CSS_SELECTOR, f"{within} button, {within} a"):
            if one.is_displayed() and words in (*one.text.splitlines(), one.get_attribute("title")):
                one.click()
                return True
        return False

    wait(f"there is {words} to press", found)


def shot(name):
    browser.save_screenshot(os.path.join(shots, f"{name}.png"))


def shape(name):
    width, height, scale, mobile = {"phone": (390, 844, 2, True), "small": (360, 640, 2, True), "desk": (1440, 900, 1, False),
                                    "wall": (2560, 1440, 1, False)}[name]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile})
    return width


def scheme(name):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]})


def pages(device, colours):
    width = shape(device)
    scheme(colours)
    for page in ("", "nodes", "files/photos", "jobs", "events", "masters"):
        go(page)
        wait(f"{page} shows something", lambda: len(text()) > 20 and "Asking" not in text())
        time.sleep(0.3)
        broad = browser.execute_script("return document.documentElement.scrollWidth")
        assert broad <= width, f"{page or 'overview'} is {broad} wide on a {device} of {width}"
        shot(f"{device}-{colours}-{page.split('/')[0] or 'overview'}")


try:
    shape("desk")
    scheme("light")
    go("")
    wait("the overview says that all is well", lambda: "All data is safe" in text())
    assert browser.find_element(By.ID, "who").text == "boss"

    # A file goes up, by the chooser and by dropping, and comes back.
    go("files")
    press("New folder")
    browser.find_element(By.CSS_SELECTOR, "dialog input").send_keys("photos")
    press("Make it", "dialog")
    wait("the folder is there", lambda: "photos" in text())
    go("files/photos")
    wait("the folder is empty", lambda: "Nothing is here" in text())
    press("Upload")
    browser.find_element(By.ID, "chooser").send_keys(local)
    wait("the file is there", lambda: "holiday pictures.bin" in text())
    wait("the upload is over", lambda: not browser.find_element(By.ID, "uploads").is_displayed())
    browser.execute_script("""
        const transfer = new DataTransfer();
        transfer.items.add(new File(["dropped"], "dropped.txt"));
        document.getElementById("files").dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
    """)
    wait("what was dropped is there", lambda: "dropped.txt" in text())
    press("Download holiday pictures.bin")
    came = os.path.join(downloads, "holiday pictures.bin")
    wait("the download is there", lambda: os.path.exists(came) and os.path.getsize(came) == len(data))
    with open(came, "rb") as file:
        assert hashlib.sha256(file.read()).digest() == hashlib.sha256(data).digest()

    # What is known of it: its chunks, and where they are.
    press("holiday pictures.bin", "main")
    wait("its chunks are told", lambda: "Chunk 1" in browser.find_element(By.ID, "dialog").text)
    assert "healthy" in browser.find_element(By.ID, "dialog").text
    shot("desk-light-properties")
    press("Rename…", "dialog")
    field = wait("there is a field", lambda: browser.find_element(By.CSS_SELECTOR, "dialog input[name=to]"))
    field.clear()
    field.send_keys("/photos/renamed.bin")
    press("Rename", "dialog")
    wait("it has its new name", lambda: "renamed.bin" in text())

    # An operator's change asks first.
    go("nodes")
    tile = wait("the node is there", lambda: browser.find_element(By.CSS_SELECTOR, f"[data-address='{victim}']"))
    tile.click()
    press("Maintenance…", "dialog")
    press("Begin", "dialog")
    wait("it is in maintenance", lambda: "maintenance until" in text())
    browser.find_element(By.CSS_SELECTOR, f"[data-address='{victim}']").click()
    press("Put in service", "dialog")
    wait("it is in service", lambda: "maintenance until" not in text())

    # A datanode is killed: it shows within seconds, and what had copies on it is copied again.
    killed = time.monotonic()
    os.kill(int(pid), signal.SIGKILL)
    wait("the node is seen dead", lambda: "dead" in browser.find_element(By.CSS_SELECTOR, f"[data-address='{victim}']").text)
    print(f"a killed node shows after {time.monotonic() - killed:.1f} s")
    shot("desk-light-nodes-dead")
    go("")
    wait("something is wrong", lambda: "All data is safe" not in text())
    shot("desk-light-overview-degraded")
    # The ledger is whole again though the node is not.
    wait("nothing is at risk any more", lambda: " 0 at risk" in text() or "\n0 at risk" in text())
    go("events")
    wait("it is told what happened", lambda: f"datanode {victim} is dead" in text())

    for device, colours in (("desk", "light"), ("phone", "dark"), ("phone", "light"), ("desk", "dark"), ("small", "light"), ("wall", "dark")):
        pages(device, colours)

    shape("desk")
    go("files/photos")
    press("More of renamed.bin")
    press("Delete…", "dialog")
    press("Delete", "dialog")
    wait("it is gone", lambda: "renamed.bin" not in text() and "dropped.txt" in text())
    errors = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert not errors, errors
except BaseException:
    shot("failed")
    print(browser.find_element(By.TAG_NAME, "body").text)
    print(browser.get_log("browser"))
    raise
finally:
    browser.quit()
