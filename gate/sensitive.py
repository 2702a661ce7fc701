"""What must not be shown or logged: credentials and patients' identifiers, each as a named pattern.

One list for those who look for them (LOG-2) and those who hide them (``readers.errors``, ``report.bundle``), so that
nothing is hidden that nobody looks for. The patterns are narrow: a deploy is blocked by a match, and a log is full of
hashes, trace ids and digests that only look like keys. What a target's own test patients are called is not known here.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of text that is private; only the name is ever shown."""

    name: str
    expression: re.Pattern[str]


#: Named values that are placeholders, and so no credential: masks, templates, documentation.
_PLACEHOLDER = r"(?![*<$%{\[]|x{3,}|none\b|null\b|true\b|false\b|redacted|masked|hidden|changeme|example)"

#: Formats as their issuers document them: huggingface.co "User access tokens" (hf_ and 34 characters), AWS IAM "Unique
#: identifiers" (AKIA, ASIA and 16 of base 32), RFC 7519 (JWT), GitHub "token formats", RFC 7468 (PEM),
#: aws-iam-authenticator (k8s-aws-v1).
CREDENTIALS: tuple[Pattern, ...] = (
    Pattern("hub token", re.compile(r"\bhf_[A-Za-z0-9]{30,}\b")),
    Pattern("AWS access key id", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")),
    Pattern("EKS token", re.compile(r"\bk8s-aws-v1\.[\w-]+")),
    Pattern("GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})\b")),
    Pattern("JSON web token", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?")),
    Pattern("private key", re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")),
    Pattern("Authorization header", re.compile(r"(?i)\b(?:bearer|basic)\s+(?=[\w.~+/-]*\d)[\w.~+/-]{16,}=*")),
    Pattern("password in an address", re.compile(r"://[^\s/@:]+:[^\s/@*]+@[^\s/]")),
    Pattern(
        "named secret",
        re.compile(
            r"""(?ix)
            (?: password | passwd | secret(?:_?access)?_?key | client_?secret | api[_-]?key
              | (?: access | auth | hub | hugging_?face(?:_hub)? | hf | refresh | session | bearer ) _?-?token )
            ["']? \s* [=:] \s* ["']?
            """
            + _PLACEHOLDER
            + r"""[^\s"',;&]{8,}"""
        ),
    ),
)

#: A medical record number, as CarePath writes it and as a hurried person would.
MRN = Pattern("medical record number", re.compile(r"(?i)\bMRN[-_ ]?\d+"))

#: US social security numbers (SSA: three, two and four digits).
SSN = Pattern("social security number", re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"))
