"""What counts as a secret, and what does not."""

import subprocess
from pathlib import Path

import pytest

from study.object_store import without_credentials
from study.redaction import redact
from study.secrecy import MARK, secrets_in, without_secrets

KEY_BLOCK = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAsecret\nabc=\n-----END RSA PRIVATE KEY-----"

IN_PYTHON = {
    'SECRET_KEY = "wJalrXUtnFEMI/K7MDENG"': 'SECRET_KEY = "%s"',
    "s3(access_key='0123456789ab', region='here')": "s3(access_key='%s', region='here')",
    '{"password": "hunter2hunter2", "user": "me"}': '{"password": "%s", "user": "me"}',
    'os.environ["WANDB_API_KEY"] = "0123456789abcdef"': 'os.environ["WANDB_API_KEY"] = "%s"',
    'token: str = "abcdefghijkl"': 'token: str = "%s"',
    "x = 'AKIAIOSFODNN7EXAMPLE'": "x = '%s'",
    "open('s3://AKIAX:abc%2Fdef@bucket/place')": "open('s3://%s@bucket/place')",
    "open('s3://bucket?access_key=AB12&secret_key=CD34&region=x')": "open('s3://bucket?access_key=%s&secret_key=%s&region=x')",
    "get('https://x.y/z?X-Amz-Signature=0a1b2c3d')": "get('https://x.y/z?X-Amz-Signature=%s')",
    "'Authorization: Bearer abc.def-ghi'": "'Authorization: Bearer %s'",
    "x = 'ghp_0123456789abcdefghijklmnopqrstuvwxyz'": "x = '%s'",
    "x = 'hf_0123456789abcdefghijklmnop'": "x = '%s'",
    f'KEY = """{KEY_BLOCK}"""': 'KEY = """%s"""',
}
"""Text to what is left of it, in source code and elsewhere."""

ELSEWHERE = {
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG": "aws_secret_access_key = %s",
    "export GITHUB_TOKEN=abcdefghijkl": "export GITHUB_TOKEN=%s",
    "  password: correct-horse-battery": "  password: %s",
}
"""Text to what is left of it, where it is no source code."""

NONE = (
    "token = read_token(place)",
    "login(password=password, secret_key=self.secret_key)",
    'uri = f"s3://{KEY}:{SECRET}@{bucket}?secret_key={SECRET}"',
    'credentials = {"access_key": unquote(parts.username)}',
    "s3://bucket/place?region=us-east-1&endpoint_override=127.0.0.1:9000",
    'password = os.environ["AWS_SECRET_ACCESS_KEY"]',
    'SECRET = "AWS_SECRET_ACCESS_KEY"',
    'tokenizer = "bert-base-uncased"',
    "http://localhost:8265/path@2x.png",
    "keyboard: something-long-enough",
    "loss_weights.cls=0.123456789",
)


@pytest.mark.parametrize(("text", "left"), IN_PYTHON.items())
def test_secrets_are_known_by_their_form(text, left):
    assert without_secrets(text) == left.replace("%s", MARK)
    assert list(secrets_in(text, python=True))


@pytest.mark.parametrize(("text", "left"), ELSEWHERE.items())
def test_values_without_quotes_count_where_they_are_no_expressions(text, left):
    assert without_secrets(text) == left.replace("%s", MARK)


@pytest.mark.parametrize("text", NONE)
def test_what_only_speaks_of_secrets_is_left_alone(text):
    assert list(secrets_in(text, python=True)) == []


def test_values_of_the_environment_are_left_out_by_the_names_of_their_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "in the environment")
    monkeypatch.setenv("ANY_TOKEN", "short")
    monkeypatch.setenv("KEYBOARD", "german layout")
    monkeypatch.setenv("TLS_KEY", str(tmp_path))
    told = f"in the environment, short, german layout, {tmp_path}"
    assert without_secrets(told) == f"{MARK}, short, german layout, {tmp_path}"


def test_what_is_left_has_no_more_secrets():
    for text in (*IN_PYTHON, *ELSEWHERE):
        once = without_secrets(text)
        assert without_secrets(once) == once


def test_a_difference_without_secrets_is_left_as_it_is():
    difference = b"diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-a\xff\r\n+b\x0c\xe9\n"
    assert redact(difference) == (difference, ())


def test_sources_of_this_package_hold_nothing_that_is_taken_for_a_secret():
    root = Path(__file__).parents[1]
    command = ["git", "ls-files", "*.py", ":!tests"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(listed) > 100
    held = [name for name in listed if list(secrets_in((root / name).read_text(), python=True))]
    assert held == []


def test_options_of_an_address_that_are_secrets_are_not_kept():
    address = "abfs://me:password@host/place?client_secret=a&tenant_id=b&account_key=c"
    assert without_credentials(address) == "abfs://host/place?tenant_id=b"
    assert without_credentials("s3://bucket/place") == "s3://bucket/place"
    assert without_credentials("s3://key:secret@bucket/data@v2/MOT17") == "s3://bucket/data@v2/MOT17"
    assert without_credentials("s3://key:se/cret@bucket/place") == "s3://bucket/place"
    assert without_credentials("/a/path?token=1") == "/a/path?token=1"
