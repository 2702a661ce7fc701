"""The words around a question: system prompt, the patient's summary, the question itself.

Enters: a patient's summary and a question. Leaves: messages for an engine's chat template. Text from outside never
reaches the template's control tokens.
"""

import re

from service_chat.engines.protocol import Message
from service_chat.services.patients import PatientSummary

# Short on purpose: a CPU reads a prompt at 20 to 170 tokens a second, and the smallest model loses its way in rules.
_SYSTEM = (
    "You are a triage assistant for patients of a clinic. Use only the patient record. "
    "Answer the question in one or two short sentences, in plain words. "
    "If the record does not say, tell the patient to call the care team."
)

# Control tokens of ChatML templates, and the marks of thinking: in a question they would end the user's turn.
_CONTROL = re.compile(r"<\|[^<>|]*\|>|</?think>", re.IGNORECASE)


def plain(text: str) -> str:
    """Return the text without chat-template control tokens; what is left over is scanned again."""
    while (cleaned := _CONTROL.sub("", text)) != text:
        text = cleaned
    return text


def record(patient: PatientSummary) -> str:
    """Return the patient's summary as the lines a model reads best: one fact each, the diagnosis first."""
    lines = [
        f"Diagnosis: {patient.diagnosis}",
        f"Name: {patient.name}, age {patient.age}, {patient.sex}",
        f"Medications: {', '.join(patient.medications) or 'none'}",
        f"Allergies: {', '.join(patient.allergies) or 'none'}",
        f"Last visit: {patient.last_visit.isoformat()}",
    ]
    return plain("\n".join(lines))


def messages(patient: PatientSummary, query: str) -> list[Message]:
    """Return the conversation to be answered."""
    return [
        Message("system", f"{_SYSTEM}\n\nPatient record\n{record(patient)}"),
        Message("user", plain(query)),
    ]
