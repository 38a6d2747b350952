"""The settings: a page of cards, applied as they are changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Slot
from PySide6.QtWidgets import QPushButton, QWidget

from app.core.shown import Phase
from app.settings.model import Settings
from app.ui.dialogs.mark import MarkRow
from app.ui.dialogs.page import PageDialog, Part
from app.ui.dialogs.rows import (
    CONTROL_WIDTH,
    Field,
    PathRow,
    Row,
    Section,
    choice_row,
    fill,
    label,
    select,
    slider_row,
    switch_row,
)
from app.ui.look import Look
from app.ui.viewmodels.mark import MarkViewModel
from app.ui.viewmodels.settings import SettingsViewModel, model_name
from app.ui.viewmodels.status import StatusViewModel
from app.ui.widgets.announcer import announce

SIZES = (11, 14, 18, 22, 28)
_MODELS = ("model", "asr", "llm")


class SettingsDialog(PageDialog):
    """Everything that can be chosen in the window. There is no 'OK': each change holds at once."""

    def __init__(
        self,
        choices: SettingsViewModel,
        status: StatusViewModel,
        mark: MarkViewModel,
        look: Look,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(self.tr("Settings"), QSize(560, 680), look, parent)
        self._choices = choices
        self._status = status
        self._mark = mark
        self.paths: dict[str, PathRow] = {}
        self.problem = label("", "danger")
        self.problem.hide()
        self.later = label(self.tr("Some changes take effect from the next start."), "hint")
        self.later.hide()
        self.use_now = QPushButton(self.tr("Use them now"))
        self.use_now.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.use_now.setCursor(Qt.CursorShape.PointingHandCursor)
        self.use_now.clicked.connect(self._use_now)
        self.use_now.hide()
        self.foot.addWidget(self.problem)
        self.foot.addWidget(self.later)
        self.row.insertWidget(1, self.use_now, 0, Qt.AlignmentFlag.AlignVCenter)

    def parts(self) -> Sequence[Part]:
        """One card for each kind of choice."""
        return (
            self._sound,
            self._conversation,
            self._models,
            self._recording,
            self._appearance,
        )

    def finish(self) -> None:
        """Show what is chosen, and follow it."""
        self._status.devices_changed.connect(self._show_devices)
        self._status.switches_changed.connect(self._show_switches)
        self._status.phase_changed.connect(self._show_use_now)
        self._choices.changed.connect(self._show)
        self._choices.failed.connect(self._complain)
        self._choices.refused.connect(self._show_place)
        # Tab goes as one reads: from the last choice to what uses them, then to what closes.
        self.setTabOrder(self.text_size, self.use_now)
        self.setTabOrder(self.use_now, self.close_button)
        self._show("")

    # The cards.

    def _sound(self) -> Section:
        section = Section(self.tr("Sound"))
        row, self.microphone = choice_row(
            self._look,
            self.tr("Microphone"),
            self.tr("Another one is used at once; an answer under way stops."),
            (),
            lambda name: self._choices.set("microphone", name),
        )
        section.add(row)
        row, self.loudspeaker = choice_row(
            self._look,
            self.tr("Loudspeaker"),
            self.tr("Another one is used at once; an answer under way stops."),
            (),
            lambda name: self._choices.set("loudspeaker", name),
        )
        section.add(row)
        row, self.echo = choice_row(
            self._look,
            self.tr("Echo cancelling"),
            self._hint("echo", self.tr("Keeps Parley from hearing itself. Off is for headphones.")),
            (
                (self.tr("Automatic"), "auto"),
                (self.tr("On"), "on"),
                (self.tr("Off"), "off"),
            ),
            lambda value: self._choices.set("echo", value),
        )
        section.add(row)
        row, self.chime = switch_row(
            self._look,
            self.tr("Greet a new loudspeaker"),
            self._hint(
                "chime", self.tr("A short chord, once, by which Parley learns how the room sounds.")
            ),
            self._choices.settings.chime,
            lambda on: self._choices.set("chime", on),
        )
        section.add(row)
        return section

    def _conversation(self) -> Section:
        chosen = self._choices.settings
        section = Section(self.tr("Conversation"))
        row, self.hands_free = switch_row(
            self._look,
            self.tr("Hands-free"),
            self.tr("Parley answers whenever you speak. Otherwise hold Space while you do."),
            chosen.hands_free,
            lambda on: self._choices.set("hands_free", on),
        )
        section.add(row)
        row, self.barge_in = switch_row(
            self._look,
            self.tr("Interrupt by speaking"),
            self._hint("barge_in", self.tr("Otherwise only Esc stops an answer.")),
            chosen.barge_in,
            lambda on: self._choices.set("barge_in", on),
        )
        section.add(row)
        patience, self.patience = slider_row(
            self.tr("Patience"),
            self._hint("patience", self.tr("How long you may think before Parley answers.")),
            (self.tr("Answers soonest"), self.tr("Waits longest")),
            round(chosen.patience * 10),
            lambda value: self._choices.set("patience", value / 10),
        )
        section.add(patience)
        row, self.voice = choice_row(
            self._look,
            self.tr("Voice"),
            self._hint("voice", "", self.tr("Speaks from the next answer on.")),
            self._voices(),
            lambda name: self._choices.set("voice", name),
        )
        section.add(row)
        return section

    def _models(self) -> Section:
        section = Section(self.tr("Models"))
        rows: Sequence[tuple[str, str, str, str]] = (
            (
                "model",
                self.tr("Speech model"),
                self.tr("Speaks: a folder with csm-1b or another CSM."),
                "",
            ),
            (
                "asr",
                self.tr("Recogniser"),
                self.tr("Understands you: a folder with a Whisper model for faster-whisper."),
                "",
            ),
            (
                "llm",
                self.tr("Language model"),
                self.tr("Thinks: a GGUF file, or the address of a server you run."),
                self.tr("Language models (*.gguf)"),
            ),
        )
        for name, title, hint, kind in rows:
            row = PathRow(
                title,
                hint,
                file_kind=kind,
                chosen=lambda text, name=name: self._choices.pick(name, text),
            )
            self.paths[name] = row
            section.add(row)
        self.server_model = Field(self._choices.settings.llm_model)
        self.server_model.setFixedWidth(CONTROL_WIDTH)
        self.server_model.editingFinished.connect(
            lambda: self._choices.set("llm_model", self.server_model.text().strip())
        )
        self.server_row = Row(
            self.tr("Model on the server"),
            self._hint("llm_model", self.tr("Its name there; a key comes from PARLEY_LLM_KEY.")),
            self.server_model,
        )
        section.add(self.server_row)
        self.models = section
        return section

    def _recording(self) -> Section:
        section = Section(self.tr("Recording"))
        row, self.watermark = switch_row(
            self._look,
            self.tr("Mark Parley's voice"),
            self._hint(
                "watermark",
                self.tr("Replies carry an inaudible mark with your own key."),
            ),
            self._choices.settings.watermark,
            lambda on: self._choices.set("watermark", on),
        )
        section.add(row)
        self.mark_row = MarkRow(self._mark)
        section.add(self.mark_row)
        row, self.record = switch_row(
            self._look,
            self.tr("Record every conversation"),
            self._hint(
                "record",
                self.tr("Sound and words stay on this computer; an hour takes about a gigabyte."),
                self.tr("Begins now, and with every start."),
            ),
            self._choices.settings.record,
            lambda on: self._choices.set("record", on),
        )
        section.add(row)
        folder = PathRow(
            self.tr("Folder of recordings"),
            self._hint("recordings", self.tr("Each conversation gets a folder of its own in it.")),
            chosen=lambda text: self._choices.pick("recordings", text),
        )
        self.paths["recordings"] = folder
        section.add(folder)
        return section

    def _appearance(self) -> Section:
        section = Section(self.tr("Appearance"))
        row, self.theme = choice_row(
            self._look,
            self.tr("Colours"),
            self.tr("Changes at once."),
            (
                (self.tr("As the system"), "system"),
                (self.tr("Light"), "light"),
                (self.tr("Dark"), "dark"),
            ),
            lambda value: self._choices.set("theme", value),
        )
        section.add(row)
        sizes = {*SIZES, self._choices.settings.caption_pt}
        row, self.text_size = choice_row(
            self._look,
            self.tr("Size of the conversation"),
            self.tr("Of what you and Parley say. Changes at once."),
            [(self.tr("{size} points").format(size=size), size) for size in sorted(sizes)],
            lambda value: self._choices.set("caption_pt", value),
        )
        section.add(row)
        return section

    def _hint(self, name: str, words: str, now: str = "") -> str:
        """What a choice means, and when it does: ``now`` says so where that is at once."""
        if self._choices.at_once(name):
            return f"{now} {words}".strip()
        later = (
            self.tr("Needs loading anew.")
            if self._choices.can_renew
            else self.tr("From the next start.")
        )
        return f"{words} {later}".strip()

    def _voices(self) -> list[tuple[str, object]]:
        chosen = self._choices.settings.voice
        known = self._choices.voices
        first = known[0].capitalize() if known else ""
        default = self.tr("Default ({name})").format(name=first)
        voices: list[tuple[str, object]] = [(default if known else self.tr("Default"), None)]
        voices += [(name.capitalize(), name) for name in known]
        if chosen is not None and chosen not in known:
            voices.append((Path(chosen).name or chosen, chosen))
        return voices

    # What is chosen.

    @Slot(str)
    def _show(self, name: str) -> None:
        chosen = self._choices.settings
        if name == "":
            select(self.echo, chosen.echo)
            select(self.voice, chosen.voice)
            select(self.theme, chosen.theme)
            select(self.text_size, chosen.caption_pt)
            self._show_devices()
        for place in self.paths:
            self._show_place(place)
        self.models.show_row(self.server_row, chosen.llm_is_server)
        self.problem.hide()
        self._show_use_now()

    @Slot()
    def _show_use_now(self) -> None:
        """Models are changed, or could not be loaded: both can be helped without a new start."""
        waits, failed = self._choices.needs_restart, self._status.phase is Phase.FAILED
        can = self._choices.can_renew
        self.later.setText(
            self.tr("Loading the models anew takes a moment; what was said is kept.")
            if can
            else self.tr("Some changes take effect from the next start.")
        )
        self.later.setVisible(waits)
        words = self.tr("Use them now") if waits else self.tr("Try again")
        self.use_now.setText(words)
        self.use_now.setAccessibleName(words)
        self.use_now.setVisible(can and (waits or failed))

    @Slot()
    def _use_now(self) -> None:
        self._choices.use_now()
        self.accept()

    @Slot(str)
    def _show_place(self, name: str) -> None:
        if name in _MODELS:
            self._show_model(name)
        else:
            field = Settings.model_fields[name]
            default = str(field.get_default(call_default_factory=True))
            self.paths[name].show_value(str(getattr(self._choices.settings, name)), default, "")

    def _show_model(self, name: str) -> None:
        chosen, used = (
            str(getattr(settings, name))
            for settings in (self._choices.settings, self._choices.in_use)
        )
        used_name, used_own = model_name(used)
        chosen_name, own = model_name(chosen)
        built_in = self.tr("{name} (built in)")
        used_words = built_in.format(name=used_name) if used_own else used_name
        failed = self._status.phase is Phase.FAILED
        used_as = self.tr("Tried: {name}") if failed else self.tr("In use: {name}")
        state = used_as.format(name=used_words)
        if chosen != used:
            words = built_in.format(name=chosen_name) if own else chosen_name
            chosen_words = (
                self.tr("Chosen: {name}")
                if self._choices.can_renew
                else self.tr("From the next start: {name}")
            )
            state = f"{state}. {chosen_words.format(name=words)}"
        placeholder = self.tr("Built in")
        self.paths[name].show_value("" if own else chosen, placeholder, state)

    @Slot()
    def _show_devices(self) -> None:
        devices, chosen = self._status.devices, self._choices.settings
        for control, known, name in (
            (self.microphone, devices.microphones, chosen.microphone),
            (self.loudspeaker, devices.loudspeakers, chosen.loudspeaker),
        ):
            options: list[tuple[str, object]] = [(self.tr("As the system"), "")]
            options += [(device, device) for device in known]
            if name and name not in known:
                options.append((self.tr("{name} (not there)").format(name=name), name))
            fill(control, options)
            select(control, name)

    @Slot()
    def _show_switches(self) -> None:
        blocker = QSignalBlocker(self.hands_free)
        self.hands_free.setChecked(self._status.hands_free)
        blocker.unblock()
        self.hands_free.update()

    @Slot(str)
    def _complain(self, message: str) -> None:
        self.problem.setText(message)
        self.problem.show()
        announce(self, message, assertive=True)
