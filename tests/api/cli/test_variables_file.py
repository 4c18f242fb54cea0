"""A file names the storage that is not the one of the environment."""

from pathlib import Path

import pytest

from api.backend import AwsKeys
from api.cli.variables_file import parse, read_or_exit


def test_a_file_is_read_as_a_shell_reads_it() -> None:
    text = "# target\n\nexport S3_BUCKET=new\nS3_PREFIX = 'a/'\nS3_REGION=\"eu\"\nNODE_URL=\n"
    assert parse(text) == {"S3_BUCKET": "new", "S3_PREFIX": "a/", "S3_REGION": "eu", "NODE_URL": ""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("S3_BUCKET", "line 1 is not NAME=value"),
        ("#\nS3_BUKET=x", "line 2: S3_BUKET is no setting"),
        ("STORAGE_BACKEND=s3", "S3_BUCKET='' is not valid"),
        ("AWS_ACCESS_KEY_ID=x", "belong together"),
        ("STORAGE_BACKEND=tape", "expected one of local, s3"),
    ],
)
def test_a_file_that_is_not_valid_ends_the_command_and_says_why(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "target.env"
    path.write_text(text)
    with pytest.raises(SystemExit, match=message):
        read_or_exit(path)


def test_what_a_file_leaves_out_has_its_default_and_not_the_value_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_PREFIX", "other/")
    path = tmp_path / "target.env"
    path.write_text("STORAGE_BACKEND=s3\nS3_BUCKET=new\nAWS_ACCESS_KEY_ID=a\n"
                    "AWS_SECRET_ACCESS_KEY=b\n")  # fmt: skip
    settings, keys = read_or_exit(path)
    assert (settings.s3_bucket, settings.s3_prefix) == ("new", "")
    assert keys == AwsKeys("a", "b")
