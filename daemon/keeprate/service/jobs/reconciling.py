"""`reconcile`: bring the catalog in line with what lies in the folders and what is said there."""

from __future__ import annotations

import logging
import os

from keeprate.catalog import files
from keeprate.config.models import LibraryConfig
from keeprate.service.board import Board
from keeprate.service.jobs.job import Desk, Done, Job
from keeprate.service.lookout import Part
from keeprate.steps.marks.reading_marks_run import MarksRead, Places, read_marks_in
from keeprate.steps.photos.scanning import LibraryScan, scan_library, scan_part


class Reconcile(Job):
    """Looks at libraries, or those of their parts that have come to rest."""

    name = "reconcile"

    def __init__(self, desk: Desk, board: Board) -> None:
        super().__init__(desk)
        self._board = board
        self._offline: dict[str, str] = {}
        """Library → why it is offline."""
        self._is_first = True

    def wanted(self) -> str | None:
        return "Something may have changed in the folders." if self._desk.lookout.is_due() else None

    def do_asked(self) -> Done:
        self._desk.lookout.look_at_all(because="because you asked for it")
        return self.do()

    def do(self) -> Done:
        desk = self._desk
        self._forget_removed()
        if self._is_first:  # what could not be read last time may be readable now
            files.read_again(desk.session.catalog)
            self._is_first = False
        sentences: list[str] = []
        failure: Exception | None = None
        for library in desk.session.config.library:
            if desk.cut():
                break
            part = desk.lookout.due_part(library)
            if part is None:
                continue
            try:
                sentences += self._look(library, part)
            except Exception as error:  # the other libraries are looked at all the same
                failure = failure or error
                desk.lookout.look_at_all(library.name, because="because the last look failed")
            else:
                if desk.cut():
                    desk.lookout.look_at_all(library.name, because="because the last look was cut short")
        if failure is not None:
            raise failure
        if not sentences:
            return Done("Nothing has changed.", did_something=False, cut=desk.cut())
        return Done(" ".join(sentences), cut=desk.cut())

    def _look(self, library: LibraryConfig, part: Part) -> list[str]:
        """Look at a library or a part of it, then at what the user says in viewers there."""
        desk = self._desk
        quiet_s = desk.session.config.watching.stable_after.total_seconds()
        if part.whole:
            result, places = scan_library(desk.session, library, quiet_s=quiet_s), None
        else:
            result = scan_part(desk.session, library, paths=part.files, folders=part.folders, quiet_s=quiet_s)
            places = Places({os.path.dirname(path) for path in part.files}, part.folders)
        for path, signature in result.unsettled.items():
            desk.lookout.unsettled(library.name, path, signature)
        came_back = self._tell_of_root(result)
        sentence = self._tell_of_files(result)
        desk.marks_stale |= result.found_something or came_back
        desk.thumbnails_stale |= result.found_something or came_back
        # the scan never believes in a sidecar: marks are read where something changed, or everywhere
        marks = read_marks_in(desk.session, desk.worker, library, places)
        desk.marks_stale |= marks.labels > 0
        return [one for one in (sentence, self._tell_of_marks(library.name, marks)) if one]

    def _tell_of_root(self, result: LibraryScan) -> bool:
        """Note whether a library is there; says whether it came back."""
        known = self._offline.get(result.library)
        if result.offline is not None:
            self._offline[result.library] = result.offline
            self._board.attention(f"offline {result.library}", f"{result.library} is offline: {result.offline}")
            if known != result.offline:
                self._desk.events.tell(
                    "library.offline", f"{result.library} is offline: {result.offline}", level=logging.WARNING,
                    library=result.library, reason=result.offline,
                )  # fmt: skip
            return False
        if known is None:
            return False
        self._is_there(result.library)
        self._desk.events.tell("library.online", f"{result.library} is there again.", library=result.library)
        return True

    def _is_there(self, library: str) -> None:
        del self._offline[library]
        self._board.attention(f"offline {library}", "")

    def _forget_removed(self) -> None:
        """A library that was taken out of the config is nobody's trouble."""
        for name in self._offline.keys() - {library.name for library in self._desk.session.config.library}:
            self._is_there(name)

    def _tell_of_files(self, result: LibraryScan) -> str:
        if not result.found_something:
            return ""
        counts = {
            "new": result.new, "changed": result.changed, "moved": result.moved, "gone": result.gone,
        }  # fmt: skip
        found = [f"{count:,} {what}" for what, count in counts.items() if count]
        if result.labels:
            found.append(f"{result.labels:,} label changes")
        sentence = f"{result.library}: {', '.join(found)}."
        self._desk.events.tell(
            "library.scanned", sentence, library=result.library, labels=result.labels,
            new=result.new, changed=result.changed, moved=result.moved, gone=result.gone,
        )  # fmt: skip
        if result.labels:
            self._labels_changed(result.library, result.labels, "places")
        return sentence

    def _tell_of_marks(self, library: str, marks: MarksRead) -> str:
        if not (marks.read or marks.failed):
            return ""
        failed = f" ({marks.failed:,} could not be)" if marks.failed else ""
        sentence = f"{library}: marks of {marks.read:,} files read{failed}, {marks.labels:,} label changes."
        self._desk.events.tell(
            "marks.read", sentence,
            library=library, count=marks.read, failed=marks.failed, labels=marks.labels, held=marks.held,
        )  # fmt: skip
        if marks.labels:
            self._labels_changed(library, marks.labels, "marks")
        return sentence if marks.labels or marks.failed else ""

    def _labels_changed(self, library: str, count: int, source: str) -> None:
        self._desk.events.tell(
            "labels.changed", f"{library}: {count:,} label changes.", level=logging.DEBUG,
            library=library, count=count, source=source,
        )  # fmt: skip
