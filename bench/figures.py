"""Which benches there are, what their figures are called, and what must be reached.

A *must* is a promise of the project: `run.py` fails when one is missed. Everything else is shown and not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that a bench prints: its key in the bench's JSON, and what to call it."""

    key: str
    what: str
    unit: str = ""
    digits: int = 2
    at_least: float | None = None
    at_most: float | None = None

    @property
    def must(self) -> str:
        """What must be reached, in words; empty if nothing must."""
        if self.at_least is not None:
            return f"≥ {self._shown(self.at_least)}"
        if self.at_most is None:
            return ""
        return f"≤ {self._shown(self.at_most)}" if self.at_most else "none"

    def shown(self, value: float) -> str:
        return self._shown(value, digits=self.digits)

    def reached(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def _shown(self, value: float, digits: int | None = None) -> str:
        number = f"{value:,g}" if digits is None else f"{value:,.{digits}f}"
        return f"{number} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Table:
    """A further table of one bench: every cell is text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def _as_it_is(answer: Any) -> Values:
    values: Values = answer
    return values


def _no_tables(_: Any) -> tuple[Table, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Bench:
    """A script in this folder that prints JSON, and how to read it."""

    name: str
    title: str
    method: str
    """How it is measured, in a sentence or two, for whoever doubts the figures."""
    figures: tuple[Figure, ...]
    arguments: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    """Arguments for a first look in seconds, whose figures say little."""
    values_of: Callable[[Any], Values] = _as_it_is
    tables_of: Callable[[Any], tuple[Table, ...]] = _no_tables
    script: str = ""
    only_when_asked: bool = False

    @property
    def file_name(self) -> str:
        return self.script or f"{self.name}.py"


HARD_SETS = ("webpages_scored", "savoias")


def _learning_values(answer: Any) -> Values:
    speeds: dict[str, float] = {line["what"]: line["seconds"] for line in answer["speed"]}
    clean = {
        (line["photos"], line["labels"], line["proportion"]): line for line in answer["quality"] if not line["flipped"]
    }
    if not clean:
        return speeds
    leads = {
        key: line["roc_auc"] - max(line["headmaster_roc_auc"], line["plain_roc_auc"]) for key, line in clean.items()
    }
    enough = [line for line in clean.values() if line["labels"] >= 50]
    resistance, audits = [], {}
    for line in answer["quality"]:
        if line["flipped"]:
            before = clean[line["photos"], line["labels"], line["proportion"]]
            ours, headmaster, plain = (
                before[key] - line[key] for key in ("roc_auc", "headmaster_roc_auc", "plain_roc_auc")
            )
            resistance.append(min(headmaster, plain) - ours)
            if line["labels"] >= 100:
                audits[f"audit {line['photos']} {line['labels']}"] = line["audit_precision"]
    return {
        **speeds,
        **audits,
        "least lead": min(leads.values()),
        "hard lead": sum(lead for (photos, _, _), lead in leads.items() if photos in HARD_SETS)
        / sum(photos in HARD_SETS for photos, _, _ in leads),
        "mean ece": sum(line["calibration_error"] for line in enough) / len(enough),
        "highest ece": max(line["calibration_error"] for line in enough),
        "highest ece surplus": max(line["calibration_error"] - line["calibrated_error"] for line in enough),
        "least resistance": min(resistance),
    }


def _learning_tables(answer: Any) -> tuple[Table, ...]:
    if not answer["quality"]:
        return ()
    columns = (
        "photos", "labels", "proportion", "flipped", "AUC", "headmaster", "plain", "ECE", "if calibrated", "headmaster",
        "plain", "AUC it expected", "audit",
    )  # fmt: skip
    keys = (
        "roc_auc", "headmaster_roc_auc", "plain_roc_auc", "calibration_error", "calibrated_error",
        "headmaster_calibration_error", "plain_calibration_error", "expected_roc_auc", "audit_precision",
    )  # fmt: skip
    rows = tuple(
        (
            line["photos"],
            str(line["labels"]),
            line["proportion"],
            f"{line['flipped']:.0%}" if line["flipped"] else "",
            *("" if line[key] is None else f"{line[key]:.3f}" for key in keys),
        )
        for line in answer["quality"]
    )
    return (Table(columns, rows),)


def _harm_values(answer: Any) -> Values:
    sums = ("files", "written", "user_values_changed", "other_bytes_changed", "pixels_changed", "undone_byte_exact")
    values: dict[str, float] = {key: sum(report[key] for report in answer) for key in sums}
    for key in ("failures", "undone_same_metadata"):
        values[key] = sum(len(report[key]) for report in answer)
    return values


BENCHES = (
    Bench(
        "embedding",
        "Photos become vectors",
        "JPEGs of 12 megapixels and a random model of the true size of CLIP ViT-B/32. The plain loop (full decode, the "
        "model's own processor, one picture at a time, one commit each) and keeprate's pipeline take turns, each in a "
        "process of its own. The bound is cores / (decode + forward), from one-thread costs measured in between.",
        (
            Figure("ratio", "times the rate of the plain loop", "×", at_least=7),
            Figure("min_cosine", "least cosine to the plain loop's vectors", digits=5, at_least=0.999),
            Figure("pipeline_peak_rss_mb", "largest memory while embedding", "MB", 0, at_most=1000),
            Figure("fraction_of_bound", "share of the bound that is reached", at_least=0.85),
            Figure("images", "pictures", digits=0),
            Figure("pipeline_rate", "keeprate", "pictures/s", 1),
            Figure("loop_rate", "plain loop", "pictures/s", 1),
            Figure("bound", "bound", "pictures/s", 1),
            Figure("decode_ms", "decoding and preparing, one thread", "ms", 1),
            Figure("forward_ms", "forward pass in batches of 8, one thread", "ms", 1),
            Figure("signals_ms", "signals and perceptual hash, one thread (not in the bound)", "ms", 1),
            Figure("nearest_is_same_picture", "pictures whose nearest vector is their own by the loop"),
            Figure("loop_peak_rss_mb", "largest memory of the plain loop", "MB", 0),
            Figure("pipeline_load_s", "until the model is ready", "s", 1),
        ),
        arguments=("--images", "100", "--repeats", "3"),
        quick=("--images", "8", "--repeats", "1"),
    ),
    Bench(
        "library",
        "A large library",
        "100,000 small valid JPEGs, all different, in 1,000 folders, in a real catalog; whole scans by keeprate and "
        "bare walks (os.scandir and stat of every file) take turns, and the ratio is the median of the pairs. Then a "
        "folder of 1,000 embedded photos is renamed, and an audit hook counts every file that is opened.",
        (
            Figure("rescan_ratio", "rescan of an unchanged library, against a bare walk", "×", at_most=3),
            Figure("rename_files_opened", "files opened after a folder of 1,000 was renamed", digits=0, at_most=0),
            Figure("rename_photos_embedded", "photos embedded after that", digits=0, at_most=0),
            Figure("files", "files", digits=0),
            Figure("rescan_s", "rescan", "s"),
            Figure("rescan_cpu_s", "rescan, processor time", "s"),
            Figure("bare_walk_s", "bare walk", "s"),
            Figure("first_scan_s", "first scan, content keys included", "s", 1),
            Figure("rename_seen_by_events_s", "the rename, told by events", "s", 3),
            Figure("rename_seen_by_full_scan_s", "the rename, found by a full scan", "s", 3),
        ),
        quick=("--files", "5000", "--folders", "50", "--pairs", "3", "--renamed", "100"),
    ),
    Bench(
        "reading_marks",
        "Marks that have not changed",
        "100,000 small valid JPEGs in 1,000 folders, each tenth with a sidecar; the marks of 2,000 are read by the "
        "worker, the rest is noted as read. Then the step runs again, and an audit hook counts every opened file.",
        (
            Figure("files_opened", "files opened when nothing has changed", digits=0, at_most=0),
            Figure("unchanged_s", "seeing that nothing has changed", "s"),
            Figure("unchanged_cpu_s", "the same, processor time", "s"),
            Figure("deciding_s", "of it: labels from what was read before", "s", 3),
            Figure("first_reading_per_s", "first reading, files a second", digits=0),
        ),
        quick=("--files", "3000", "--folders", "50", "--sample", "200", "--repeat", "2"),
    ),
    Bench(
        "scanning",
        "The parts of a rescan",
        "The parts alone, over empty files: walking, comparing with signatures in memory, reading these from SQLite.",
        (
            Figure("bare_median_s", "os.scandir and stat of every file", "s", 3),
            Figure("walk_median_s", "keeprate's walk", "s", 3),
            Figure("mapping_median_s", "walk and comparison, signatures in memory", "s", 3),
            Figure("database_median_s", "walk and comparison, signatures from SQLite", "s", 3),
        ),
        quick=("--files", "5000", "--folders", "50", "--repeat", "3"),
    ),
    Bench(
        "scoring",
        "Scoring everything",
        "100,000 vectors of 512 components with signals, in SQLite. `score` reads all of them, computes, and writes "
        "all scores back, in one thread: processor time is what it takes on a machine that does nothing else.",
        (
            Figure("score_new_cpu_s", "100,000 photos scored for the first time, processor time", "s", at_most=2),
            Figure("score_old_cpu_s", "100,000 photos scored anew by a new head, processor time", "s", at_most=2),
            Figure("photos", "photos", digits=0),
            Figure("score_new_s", "scored for the first time, by the clock", "s"),
            Figure("score_old_s", "scored anew, by the clock", "s"),
            Figure("read_and_compute_cpu_s", "of it reading and computing, processor time", "s"),
            Figure("write_cpu_s", "of it writing, processor time", "s"),
        ),
        quick=("--photos", "5000", "--repeats", "1"),
    ),
    Bench(
        "ordering",
        "The order, after a training",
        "A view folder of 100,000 links. After every score has moved a little (noise of 0.01), or all are new, the "
        "write step runs as `keeprate write` does, with worker and journal. Processor time is that of both processes.",
        (
            Figure("moved_write_cpu_s", "all scores moved a little, processor time", "s", at_most=10),
            Figure("shuffled_write_cpu_s", "all scores new, processor time", "s", at_most=10),
            Figure("moved_write_s", "all scores moved a little, by the clock", "s"),
            Figure("shuffled_write_s", "all scores new, by the clock", "s"),
            Figure("moved_manager_cpu_s", "plan and apply alone, moved a little, processor time", "s"),
            Figure("shuffled_manager_cpu_s", "plan and apply alone, all new, processor time", "s"),
            Figure("moved_names_changed", "names that changed, scores moved a little", digits=0),
            Figure("shuffled_names_changed", "names that changed, all scores new", digits=0),
            Figure("unchanged_write_cpu_s", "nothing to do, processor time", "s"),
            Figure("first_write_cpu_s", "the first time, processor time", "s"),
            Figure("anew_cpu_s", "removing all links and making them anew, processor time", "s"),
            Figure("anew_s", "the same, by the clock", "s"),
        ),
        arguments=("--repeats", "3"),
        quick=("--photos", "1000", "--repeats", "1"),
    ),
    Bench(
        "idle",
        "The daemon at rest",
        "A real `keeprate run` with the api and the page, default settings. It has embedded 50,000 small photos with "
        "the built-in model, was asked for its status and its page, and rests.",
        (
            Figure("idle_rss_mb", "resident memory of the idle daemon", "MB", 1, at_most=90),
            Figure("unasked_rss_mb", "the same, before anybody asked it for anything", "MB", 1),
            Figure("idle_pss_mb", "of it, shared pages counted in proportion (PSS)", "MB", 1),
            Figure("idle_uss_mb", "of it, its own alone (USS)", "MB", 1),
            Figure("idle_cpu_percent", "processor time used in 5 idle minutes, of one core", "%", 3, at_most=0.2),
            Figure("idle_bytes_written", "bytes that it wrote to disks in this time", digits=0, at_most=0),
            Figure("idle_files_written", "files of its own that changed in this time", digits=0, at_most=0),
            Figure("worker_gone_s", "from the end of work until the worker is gone", "s", 1, at_most=60),
            Figure("idle_wakeups_a_second", "wake-ups a second, main thread", digits=1),
            Figure("idle_threads", "threads", digits=0),
            Figure("idle_file_descriptors", "file descriptors", digits=0),
            Figure("embedded_after_s", "from its start until 50,000 photos (160 × 120 pixels) were embedded", "s", 0),
        ),
        arguments=("--photos", "50000", "--seconds", "300"),
        quick=("--photos", "60", "--seconds", "3", "--idle-exit", "1s"),
    ),
    Bench(
        "learning",
        "Learning from few labels",
        "Real photos with an ImageNet backbone (mobilenetv2-224); trained on some, tested on all others, the test "
        "weighted as the labels are; means of ten draws, the same for all three. *headmaster* is its procedure (its "
        "network, 50 epochs), *plain* scikit-learn's logistic regression as it comes. ECE is the expected calibration "
        "error in up to 15 bins; *if calibrated* is what the same scores would show on such a test if they were right: "
        "less cannot be seen. *Audit*: of the first N suspects, where N labels were flipped, how many were. Times are "
        "those of made vectors; with 25,000, five of headmaster's epochs are run and counted tenfold.",
        (
            Figure("least lead", "ROC AUC, ahead of the better of the two, where least", digits=4, at_least=-0.003),
            Figure("hard lead", "the same, mean over web pages and savoias", digits=3, at_least=0.01),
            Figure("mean ece", "calibration error from 50 labels on, mean", digits=3, at_most=0.06),
            Figure("highest ece", "the same, where highest", digits=3),
            Figure("highest ece surplus", "the same, above that of calibrated scores, where highest", digits=3),
            Figure("least resistance", "10 % flipped labels: ROC AUC falls by so much less", digits=4, at_least=0.0),
            Figure("audit hotdog 100", "audit, hot dogs, 100 labels", at_least=0.6),
            Figure("audit hotdog 200", "audit, hot dogs, 200 labels", at_least=0.6),
            Figure("audit dogs_cats 100", "audit, dogs and cats, 100 labels", at_least=0.6),
            Figure("audit dogs_cats 200", "audit, dogs and cats, 200 labels", at_least=0.6),
            Figure("audit savoias 200", "audit, savoias, 200 labels (knowing all true labels: 0.58)"),
            Figure("audit webpages_scored 200", "audit, web pages, 200 labels (knowing all true labels: 0.42)"),
            Figure(
                "share of headmaster's time 25000 × 768",
                "training time against headmaster's, 25,000",
                digits=3,
                at_most=0.1,
            ),
            Figure("share with signals 25000 × 768", "the same, with signals", digits=3),
            Figure(
                "share with signals and head for others 25000 × 768",
                "the same, and the head for other programs' checkpoint",
                digits=3,
            ),
            Figure("train 200 × 1280 + signals", "training, 200 labels × 1280, and signals", "s", at_most=1),
            Figure("train 25000 × 768", "training, 25,000 labels × 768", "s", 1),
            Figure("train 25000 × 768 + signals", "training, 25,000 labels × 768, and signals", "s", 1),
            Figure("headmaster 25000 × 768", "headmaster, 25,000 labels × 768", "s", 1),
            Figure("groups 25000 × 768", "finding shoots and near-duplicates among 25,000", "s", 1),
        ),
        quick=("--draws", "1"),
        values_of=_learning_values,
        tables_of=_learning_tables,
    ),
    Bench(
        "decoding",
        "Reading one photo",
        "JPEGs of 12 megapixels, made of real photos; medians of processor time, one thread.",
        (
            Figure("full decode and bicubic resize to 224, ms", "full decode and resize to 224", "ms", 1),
            Figure("open_picture for 224, ms", "keeprate, for a model that sees 224 pixels", "ms", 1),
            Figure("open_picture for 384, ms", "keeprate, for 384", "ms", 1),
            Figure("open_picture for 518, ms", "keeprate, for 518", "ms", 1),
            Figure("content key, ms", "content key", "ms", 1),
            Figure("signals, ms", "signals", "ms", 1),
            Figure("perceptual hash, ms", "perceptual hash", "ms", 1),
            Figure("embedding, small against full, least cosine", "least cosine, decoded small against full", digits=4),
        ),
        quick=("--photos", "2"),
    ),
    Bench(
        "marking",
        "Marking photos themselves",
        "10,000 JPEGs of 1024 × 768 marked by the write step in embed mode, with stars, label, keyword and journal. "
        "Seconds of processor time are those of a machine that does nothing else and a disk that makes nobody wait; "
        "without fsync means by the clock, less the time in which os.fsync waited.",
        (
            Figure(
                "new_a_second_of_processor",
                "marked for the first time, in a second of processor time",
                "photos",
                0,
                at_least=150,
            ),
            Figure("new_a_second_without_fsync", "the same, a second without fsync", "photos", 0),
            Figure("new_a_second", "the same, by the clock", "photos", 0),
            Figure("new_fsync_share", "share of fsync in it"),
            Figure(
                "again_a_second_of_processor", "marked anew, in a second of processor time", "photos", 0, at_least=150
            ),
            Figure("again_a_second_without_fsync", "the same, a second without fsync", "photos", 0),
            Figure("again_a_second", "the same, by the clock", "photos", 0),
            Figure("again_fsync_share", "share of fsync in it"),
            Figure("unchanged_a_second", "looked at and left as they are, a second", "photos", 0),
        ),
        quick=("--photos", "200"),
    ),
    Bench(
        "harmless",
        "No photo is harmed",
        "Odd and metadata-rich photos are marked, in sidecars and inside JPEGs, marked again and unmarked; exiftool "
        "and Pillow, which know nothing of keeprate, count what is different. `make prove-harmless` says more.",
        (
            Figure("user_values_changed", "values of the user changed by marking", digits=0, at_most=0),
            Figure("other_bytes_changed", "files with bytes changed outside the mark's place", digits=0, at_most=0),
            Figure("pixels_changed", "pictures whose pixels changed", digits=0, at_most=0),
            Figure("failures", "photos whose marking or unmarking failed", digits=0, at_most=0),
            Figure("files", "files, both ways", digits=0),
            Figure("written", "of them marked", digits=0),
            Figure(
                "undone_byte_exact", "pictures and sidecars that are the same to the byte after unmarking", digits=0
            ),
            Figure("undone_same_metadata", "others: their metadata are the same", digits=0),
        ),
        quick=("--at-most", "12"),
        values_of=_harm_values,
        script="prove_harmless.py",
    ),
    Bench(
        "attribute_marks",
        "Stars in KDE's attributes",
        "10,000 small JPEGs given stars by the write step, journal and all; then other stars; then everything taken "
        "back.",
        (
            Figure("new_processor_s", "marked for the first time, processor time", "s", 1, at_most=10),
            Figure("new_s", "the same, by the clock", "s", 1),
            Figure("again_processor_s", "marked anew, processor time", "s", 1, at_most=10),
            Figure("again_s", "the same, by the clock", "s", 1),
            Figure("unchanged_s", "looked at and left as they are", "s", 1),
            Figure("bytes_a_photo", "what a photo takes more on the disk (ext4)", "bytes", 0),
            Figure("undo_s", "both markings taken back", "s", 0),
        ),
        quick=("--photos", "200"),
    ),
    Bench(
        "bursts",
        "Bursts, copies and the best of them",
        "Groups of a real photo as it is and copies that are blurred, cropped, exposed otherwise and compressed; half "
        "of them with capture times, half without. keeprate finds the groups itself; what it does not find counts as "
        "lost. Other groups hold kinds of copies that the weights were not chosen on. The cost is that of a catalog of "
        "100,000 photos with random vectors, a third of them in bursts.",
        (
            Figure("untouched photo first", "groups with the untouched photo first", digits=3, at_least=0.95),
            Figure("untouched photo first, with a head", "the same, with a trained head", digits=3, at_least=0.95),
            Figure("groups of several photos mixed up", "groups that mix photos", digits=0, at_most=0),
            *(
                Figure(f"{kind} found", f"{kind}: found", digits=3)
                for kind in ("blur", "crop", "exposure", "compression")
            ),
            *(
                Figure(f"{kind} after it", f"{kind}: after the untouched one", digits=3)
                for kind in ("blur", "crop", "exposure", "compression")
            ),
            *(
                Figure(f"other {kind} after it", f"{kind}: after the untouched one", digits=3)
                for kind in ("noise", "shake", "tilt", "downscale", "jpeg of jpeg")
            ),
            Figure("compared for the first time, processor s", "100,000 compared, processor time", "s", 1, at_most=60),
            Figure("100 more, s", "100 more compared with them", "s", 1),
            Figure("nothing to do, processor s", "asking whether there is anything to do, processor time", "s"),
            Figure("all groups ranked, s", "all groups ranked", "s", 1),
            Figure("memory more, MB", "memory that the comparison takes", "MB", 0, at_most=500),
        ),
        quick=("--photos", "3", "--library", "2000"),
    ),
    Bench(
        "installation",
        "The light installation",
        "A fresh virtual environment, `pip install -c constraints.txt .`: all that is needed with the built-in model.",
        (
            Figure("size_mb", "light installation on disk, pip left out", "MB", 0, at_most=300),
            Figure("packages", "packages", digits=0),
            Figure("seconds", "until it was installed", "s", 0),
        ),
        only_when_asked=True,
    ),
)
