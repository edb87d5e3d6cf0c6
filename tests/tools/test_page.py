"""The page of a run: self-contained, complete, escaped, drawable; with a browser also free of sideways scrolling."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from supa.tools import page
from supa.tools.cli import main

vl_convert = pytest.importorskip("vl_convert")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PLOTS = {"streams", "engines", "roofline", "devices", "stalls", "energy", "memory"}


class Reader(HTMLParser):
    """Elements with their attributes, the page's words outside scripts and styles, and its JSON."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self.data, self._inside = [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self._inside.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._inside.pop()

    def handle_data(self, text):
        if not self._inside:
            self.words.append(text)
        elif self._inside[-1][1].get("id") == "plots":
            self.data += text


@pytest.fixture(scope="module")
def reader(written):
    return Reader(written.page)


@pytest.fixture(scope="module")
def plots(reader):
    return json.loads(reader.data)


def test_nothing_is_loaded_from_elsewhere(reader):
    policy = next(found["content"] for tag, found in reader.elements if tag == "meta" and "http-equiv" in found)
    assert policy.startswith("default-src 'none'")
    for tag, attributes in reader.elements:
        assert not {"src", "href", "srcset", "action"} & attributes.keys(), tag
    assert not re.search(r"@import|url\(", " ".join(re.findall(r"<style>.*?</style>", reader.rawdata, re.DOTALL)))


def test_every_plot_has_its_place_and_can_be_drawn(reader, plots):
    places = {found["id"] for _, found in reader.elements if found.get("class") == "plot"}
    assert places == plots.keys() == {f"plot-{name}" for name in PLOTS}
    for spec in plots.values():
        svg = vl_convert.vegalite_to_svg({**spec, "width": 600})
        assert svg.startswith("<svg") and svg.count("<path") > 2


def rows(spec, index=0):
    return spec["datasets"][spec["data"]["name"]] if "datasets" in spec and "data" in spec else spec["data"]["values"]


def test_the_timeline_holds_every_launch_on_its_stream(plots, written):
    spans = rows(plots["plot-streams"])
    assert [span["stream"] for span in spans] == ["default", *["stream 1"] * 4]
    assert [span["kernel"] for span in spans] == ["scaled_product_kernel", *["count_kernel"] * 4]
    assert sum(span["end"] - span["start"] for span in spans) == pytest.approx(written.report["total"]["device_us"])
    assert all(0 <= row["busy"] <= 1 for row in rows(plots["plot-engines"]))


def test_the_roofline_stands_where_the_report_says(plots, written, reader):
    kernel = next(found for found in written.report["kernels"] if found["name"] == "scaled_product_kernel")
    text = json.dumps(plots["plot-roofline"])
    points = [row for row in found_rows(plots["plot-roofline"]) if row.get("kernel")]
    assert {row["kernel"] for row in points} == {"scaled_product_kernel"}  # the other one has no operations
    assert points[0]["intensity"] == pytest.approx(kernel["flops"] / kernel["bytes"])
    assert points[0]["TFLOPS"] == pytest.approx(kernel["flops"] / kernel["device_us"] / 1e6)
    assert "bf16, fp16: 1.02 PFLOPS" in text and "HBM 1.64 TB/s" in text
    assert "so not on it: count_kernel" in "".join(reader.words)


def found_rows(spec):
    """All rows of a plot with layers."""
    return [row for values in spec.get("datasets", {}).values() for row in values] + [
        row for layer in spec.get("layer", []) for row in layer.get("data", {}).get("values", [])
    ]


def test_devices_are_compared_as_in_the_report(plots, written):
    [other] = written.report["predictions"]
    bars, ranges = plots["plot-devices"]["layer"]
    for device, total in (("bili100*", written.report["total"]), ("h100-sxm", other["total"])):
        times = [row["time"] for row in rows(bars) if row["device"] == device]
        assert sum(times) == pytest.approx(total["device_us"])
    [uncertain] = rows(ranges)
    assert uncertain["device"] == "bili100*"
    assert [uncertain["low"], uncertain["high"]] == pytest.approx(written.report["total"]["device_us_range"])


def test_times_of_an_assumed_device_have_their_range(written):
    kernel = written.report["kernels"][0]
    low, high = (round(100 * (end / kernel["device_us"] - 1)) for end in kernel["device_us_range"])
    assert f'<small class="range">{low} +{high} %</small>' in written.page


def test_plots_above_each_other_have_one_axis(plots):
    domains = [plots[f"plot-{name}"]["encoding"]["x"]["scale"]["domain"] for name in ("streams", "engines")]
    assert domains[0] == domains[1]


def test_shares_sum_to_one(plots):
    for name in ("stalls", "energy"):
        sums = {}
        for row in rows(plots[f"plot-{name}"]):
            sums[row["name"]] = sums.get(row["name"], 0) + row["time"]
        assert sums and all(total == pytest.approx(1) for total in sums.values())


def test_memory_goes_up_and_down(plots):
    assert [row["MiB"] for row in rows(plots["plot-memory"])] == [3, 0, 0]


def test_the_source_stands_beside_its_times(written):
    line = re.search(r"<li[^>]*>((?:(?!</li>).)*product = tl.dot\(tile, tile\).*?)</li>", written.page)
    assert line and re.search(r'class="gauge busy" style="--part:[\d.]+%"', line[1])
    for kind in ("wait", "busy"):
        for kernel in written.page.split("<details")[1:]:
            shares = [float(text) for text in re.findall(rf'gauge {kind}" style="--part:([\d.]+)%', kernel)]
            assert not shares or sum(shares) == pytest.approx(100, abs=1)


def test_what_comes_from_the_program_is_escaped(written, reader):
    assert "# &lt;b&gt;&amp;" in written.page
    assert not [tag for tag, _ in reader.elements if tag == "b"]


def test_words_for_bounds_and_assumptions_are_there(written, reader):
    words = "".join(reader.words)
    for kernel in written.report["kernels"]:
        assert f"{kernel['bound_by']}: " in words
    assert "* bili100: " in words and "are assumed, not published" in words


def test_long_names_of_one_family_keep_apart():
    vega = pytest.importorskip("supa.tools.page.vega")
    names = [f"kernel_number_{number}_of_a_family" for number in (0, 10, 20)] + ["other"]
    labels = vega.short_labels([*names, "other"])
    assert list(labels) == names and len(set(labels.values())) == 4
    assert labels["other"] == "other" and all(len(label) < 30 for label in labels.values())


def test_a_page_without_predictions_or_launches(programs, capsys):
    assert main(["run", "--mode", "execute", "--report", "bare.html", "two.py"]) == 0
    text = (programs / "bare.html").read_text()
    assert "Mode execute predicts nothing" in text and "count_kernel" in text
    (programs / "nothing.py").write_text("raise ValueError('early')")
    assert main(["run", "--report", "none.html", "nothing.py"]) == 1
    text = (programs / "none.html").read_text()
    assert "No kernel was launched" in text and "ended by ValueError" in text and "vegaEmbed" not in text


def test_without_the_library_nothing_runs(programs, capsys, monkeypatch):
    monkeypatch.setattr(page, "_LIBRARIES", ("altair", "a_library_that_is_not_there"))
    (programs / "printing.py").write_text("print('ran')")
    assert main(["run", "--report", "x.html", "printing.py"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "--report needs a_library_that_is_not_there: install" in err


@pytest.mark.skipif(BROWSER is None, reason="no Chromium")
@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_draws_everything_within_the_page(written, tmp_path, width):
    probe = """<script>setTimeout(() => { const root = document.documentElement;
        root.dataset.wide = root.scrollWidth - root.clientWidth;
        root.dataset.plots = document.querySelectorAll(".plot svg").length; }, 3000)</script></body>"""
    (tmp_path / "probed.html").write_text(probe.join(written.page.rsplit("</body>", 1)))
    ended = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         f"--window-size={width},2000", "--virtual-time-budget=6000", "--dump-dom",
         (tmp_path / "probed.html").as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found = re.search(r"<html[^>]*>", ended.stdout)[0]
    assert f'data-plots="{len(PLOTS)}"' in found and 'data-drawn="yes"' in found
    assert 'data-wide="0"' in found
