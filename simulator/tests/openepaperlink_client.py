"""Speaks to an OpenEPaperLink access point with requests, websockets and Pillow, and with nothing of ours.

Arguments: host:port, the id of a label of 296 x 152, the folder of what labels show. Exits with 1 and says why
if the access point does not do what its makers' firmware does.
"""

import hashlib
import io
import json
import sys
import time
from pathlib import Path

import requests
from PIL import Image, ImageDraw
from websockets.sync.client import connect

address, mac, folder = sys.argv[1:]
base = f"http://{address}"
PATIENCE_S = 30


def jpeg(text):
    image = Image.new("RGB", (296, 152), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((10, 10, 150, 60), fill="red")
    draw.text((20, 90), text, fill="black")
    file = io.BytesIO()
    image.save(file, "JPEG", quality=100, subsampling=0)
    return image, file.getvalue()


def expect(response, status, text):
    assert (response.status_code, response.text) == (status, text), (response.url, response.status_code, response.text)


def upload(form, file):
    return requests.post(f"{base}/imgupload", data=form, files={"file": ("image.jpg", file, "image/jpeg")}, timeout=10)


def record():
    (tag,) = requests.get(f"{base}/get_db", params={"mac": mac}, timeout=10).json()["tags"]
    return tag


def wait(line, what):
    """The first message of the WebSocket for which `what` says something."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        message = json.loads(line.recv(timeout=PATIENCE_S))
        found = what(message)
        if found is not None:
            return found
    raise AssertionError("nothing of the kind was said")


def tag(message):
    return next((tag for tag in message.get("tags", []) if tag["mac"] == mac), None)


whole = requests.get(f"{base}/get_db", timeout=10).json()
assert [known["mac"] for known in whole["tags"]] == [mac] and "continu" not in whole, whole
before = record()
assert before["hash"] == "0" * 32 and before["pending"] == 0 and before["updatelast"] == 0, before
assert 2000 < before["batteryMv"] < 3300 and -100 < before["RSSI"] < 0, before

image, file = jpeg("12.80")
expect(upload({"mac": "00000218CEDDFFFF"}, file), 400, "mac not found")
expect(upload({}, file), 400, "parameters incomplete")
expect(upload({"mac": "no mac"}, file), 200, "")
expect(requests.post(f"{base}/tag_cmd", data={"mac": mac}, timeout=10), 500, "param error")
expect(requests.get(f"{base}/getdata", params={"mac": mac}, timeout=10), 400, "No data available")

with connect(f"ws://{address}/ws") as line:
    assert wait(line, lambda message: message.get("sys"))["littlefsfree"] > 0
    expect(upload({"mac": mac, "dither": "0", "contentmode": "24"}, file), 200, "Ok, saved")
    wait(line, lambda message: tag(message) if (tag(message) or {}).get("pending") == 1 else None)
    made = requests.get(f"{base}/getdata", params={"mac": mac}, timeout=10)
    assert made.status_code == 200 and made.content, made.status_code
    after = wait(line, lambda message: tag(message) if (tag(message) or {}).get("pending") == 0 else None)
    assert after["hash"] == hashlib.md5(made.content).hexdigest()[:16] + "0" * 16, after
    assert after["updatelast"] > 0 and after["updatecount"] == 1, after
    # The label shows the image, but for what JPEG does to the edges of letters.
    shown = Path(folder, f"{mac}.png")
    end = time.monotonic() + PATIENCE_S
    while not shown.exists():
        assert time.monotonic() < end, "the label shows nothing"
        time.sleep(0.05)
    with Image.open(shown) as other:
        pairs = zip(image.convert("RGB").tobytes(), other.convert("RGB").tobytes(), strict=True)
        wrong = sum(abs(a - b) > 127 for a, b in pairs)
    assert wrong == 0, wrong
    # The same again is no news to the access point.
    expect(upload({"mac": mac}, file), 200, "Ok, saved")
    said = wait(line, lambda message: message.get("logMsg"))
    assert said == "new image is the same as current image. not updating tag.", said
    assert record()["updatecount"] == 1
    # A lamp.
    flash = {"mac": mac, "pattern": "11E433320000000000000500"}
    expect(requests.get(f"{base}/led_flash", params=flash, timeout=10), 200, "ok, request transmitted")
    expect(requests.get(f"{base}/led_flash", params={"mac": mac, "pattern": "1"}, timeout=10), 400, "Error: expects 12 hex bytes in pattern")
    expect(requests.post(f"{base}/tag_cmd", data={"mac": mac, "cmd": "clear"}, timeout=10), 200, "Ok, done")
    # Once it has forgotten what the label shows, the same image is news.
    expect(requests.post(f"{base}/tag_cmd", data={"mac": mac, "cmd": "refresh"}, timeout=10), 200, "Ok, done")
    expect(upload({"mac": mac}, file), 200, "Ok, saved")
    again = wait(line, lambda message: tag(message) if (tag(message) or {}).get("updatecount") == 2 else None)
    assert again["hash"] == after["hash"], again
