"""The bench's report and picture, from measurements like those that it records: python3 -m unittest discover -s benches."""

import copy
import json
import re
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

from bench import machine, plot, report, works
from bench.load import faults, lua

ROOT = Path(__file__).resolve().parents[1]
RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text())


def recorded():
    return copy.deepcopy(RECORDED) | {"warnings": []}


def rows(text, heading):
    """The cells of the tables below a heading, by their first."""
    part = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    return {cells[0]: cells[1:] for cells in lines}


def of(results, work, database="sqlite", connections=works.HEADLINE):
    return [run for run in results["runs"] if (run["work"], run["database"], run["connections"]) == (work, database, connections)]


class Ratios(unittest.TestCase):
    def test_a_ratio_is_to_the_bare_server_of_its_own_round_and_the_report_has_the_median(self):
        results = recorded()
        for run, (per_second, bare) in zip(of(results, "token"), ((50, 100), (90, 300), (80, 100)), strict=True):
            run |= {"per_second": per_second, "bare": bare}
        said = rows(report.write(results), "Targets")["token, SQLite"]
        self.assertEqual(said, ["0.55 of bare", "0.500 (0.300 to 0.800)", "missed"])

    def test_what_is_just_good_enough_is_met(self):
        results = recorded()
        for run in of(results, "token"):
            run |= {"per_second": 55, "bare": 100}
        self.assertEqual(rows(report.write(results), "Targets")["token, SQLite"][2], "met")

    def test_what_hashes_is_compared_with_bcrypt_and_the_mixture_with_what_both_allow(self):
        run = {"work": "verify", "per_second": 8, "bare": 100_000, "bcrypt": 10}
        self.assertAlmostEqual(report.ratio(run), 0.8)
        most = 1 / (1 / 100_000 + 0.12 / 10)
        self.assertAlmostEqual(report.ratio(run | {"work": "mixture", "per_second": most / 2}), 0.5)
        self.assertAlmostEqual(report.ratio(run | {"work": "check", "per_second": 60_000}), 0.6)

    def test_the_shares_of_the_mixture_are_hundredths_of_known_works(self):
        self.assertEqual(sum(works.SHARES.values()), 100)
        self.assertLessEqual(set(works.SHARES), set(works.WORKS))


class Report(unittest.TestCase):
    def test_every_work_has_a_row_for_every_database_and_number_of_connections(self):
        text = report.write(recorded())
        for database, name in report.NAMES.items():
            part = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
            for work in ("bare", *works.WORKS):
                there = re.findall(rf"^\| {work} ", part, re.MULTILINE)
                measured = {run["connections"] for run in RECORDED["runs"] if run["work"] == work and run["database"] in (database, None)}
                self.assertTrue(measured, work)
                self.assertEqual(len(there), len(measured), (work, name))

    def test_who_is_turned_away_is_counted_and_a_mixture_without_them_has_no_ratio(self):
        results = recorded()
        for run in of(results, "mixture", connections=256):
            run["turned_away"] = 0.25
        there = [line for line in report.write(results).splitlines() if line.startswith("| mixture") and "25.0%" in line]
        self.assertEqual([line.split("|")[3].strip() for line in there], [""])

    def test_the_columns_of_every_table_are_below_each_other(self):
        for part in re.findall(r"(?:^\|.*\n)+", report.write(recorded()), re.MULTILINE):
            self.assertEqual(len({len(line) for line in part.splitlines()}), 1, part)
            self.assertEqual(len({line.count("|") for line in part.splitlines()}), 1, part)

    def test_it_says_where_and_when_and_of_what(self):
        text, about = report.write(recorded()), RECORDED["about"]
        for said in (about["date"], about["commit"], about["processor"], about["system"], about["disk"], *about["versions"]):
            self.assertIn(said, text)

    def test_a_busy_machine_and_a_database_in_memory_are_warned_about_at_the_top(self):
        about = RECORDED["about"] | {"load_before": 0.1, "disk": "/var/tmp (ext2/ext3)", "cores": 2}
        self.assertEqual(list(machine.warnings(about)), [])
        warned = list(machine.warnings(about | {"load_before": 3.5, "disk": "/dev/shm (tmpfs)"}))
        self.assertEqual(len(warned), 2)
        top = report.write(recorded() | {"warnings": warned}).split("\n## ")[0]
        for warning in warned:
            self.assertIn(warning, top)

    def test_a_part_of_the_works_on_one_database_is_a_report_too(self):
        results = recorded() | {"mails": [], "storms": [], "starts": [], "peers": []}
        results["runs"] = [run for run in results["runs"] if run["work"] in ("bare", "check") and run["database"] in ("sqlite", None)]
        text = report.write(results)
        self.assertNotIn("## PostgreSQL", text)
        self.assertEqual(list(rows(text, "Targets"))[2:], ["check, SQLite", f"memory at {max(works.MANY)} connections, SQLite"])
        xml.fromstring(plot.draw(results))


class Picture(unittest.TestCase):
    NAMESPACE = "{http://www.w3.org/2000/svg}"

    def test_it_is_xml_with_a_bar_for_each_ratio_and_a_mark_for_each_target(self):
        results = recorded()
        picture = xml.fromstring(plot.draw(results))
        drawn = [(len(values), wanted) for _, ratios, targets in plot.groups(results)
                 for values, wanted in ((ratios[database], targets.get(database)) for database in ratios)]
        boxes = picture.findall(f"{self.NAMESPACE}rect[@rx='2']")
        self.assertEqual(len(boxes), len(drawn) + 2)  # the two of the legend
        marks = [line for line in picture.iter(f"{self.NAMESPACE}line") if line.get("class") == "mark"]
        self.assertEqual(len(marks), sum(1 for _, wanted in drawn if wanted) + 1)

    def test_nothing_is_outside_of_it(self):
        picture = xml.fromstring(plot.draw(recorded()))
        width, height = float(picture.get("width")), float(picture.get("height"))
        for piece in picture.iter():
            for name in ("x", "x1", "x2", "cx"):
                self.assertTrue(0 <= float(piece.get(name, 0)) <= width, xml.tostring(piece))
            for name in ("y", "y1", "y2", "cy"):
                self.assertTrue(0 <= float(piece.get(name, 0)) <= height, xml.tostring(piece))

    def test_it_has_colours_for_light_and_for_dark(self):
        style = xml.fromstring(plot.draw(recorded())).find(f"{self.NAMESPACE}style").text
        light, dark = style.split("prefers-color-scheme: dark")
        names = lambda text: set(re.findall(r"(--[a-z]+):", text))
        self.assertEqual(names(light), names(dark))
        self.assertLessEqual(set(re.findall(r"var\((--[a-z]+)\)", plot.draw(recorded()))), names(light))


class Spoiling(unittest.TestCase):
    FINE = {"requests": 9, "failed": 0, "refused": 0, "turned_away": 0, "socket": 0, "timeouts": 0, "exhausted": 0}

    def test_any_answer_but_a_success_spoils_a_run(self):
        self.assertEqual(faults(self.FINE), "")
        self.assertEqual(faults(self.FINE | {"refused": 1}), "1 answers that are no success")
        self.assertEqual(faults(self.FINE | {"socket": 2, "timeouts": 3}), "2 connections that failed, 3 calls without an answer")
        self.assertTrue(faults(self.FINE | {"exhausted": 1}))

    def test_to_be_told_to_come_back_does_not_but_what_else_is_refused_does(self):
        self.assertEqual(faults(self.FINE | {"refused": 5, "turned_away": 5}), "")
        self.assertTrue(faults(self.FINE | {"refused": 6, "turned_away": 5, "failed": 1}))


class Command(unittest.TestCase):
    def test_it_writes_the_report_of_measurements_that_are_there(self):
        with tempfile.TemporaryDirectory() as folder:
            words = [ROOT / "scripts/bench", "--again", ROOT / "benches/recorded.json", "--output", folder]
            done = subprocess.run(words, text=True, capture_output=True, check=True)
            self.assertEqual(sorted(path.name for path in Path(folder).iterdir()), ["measurements.json", "report.md", "report.svg"])
            self.assertIn("## Targets", done.stdout)

    def test_it_refuses_works_that_it_does_not_know(self):
        done = subprocess.run([ROOT / "scripts/bench", "--only", "tokens"], text=True, capture_output=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("tokens is none of token, check", done.stderr)


class Plans(unittest.TestCase):
    def test_lua_gets_texts_as_they_are(self):
        self.assertEqual(lua({"a": [1, True]}), '{["a"]={1,true}}')
        self.assertEqual(lua('"\n é'), '"\\034\\010\\032é"')


if __name__ == "__main__":
    unittest.main()
