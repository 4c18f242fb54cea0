"""What a process that serves needs, alone or as a worker."""

import resource

import msgspec
import pytest

from api.cli.process import or_exit, raise_file_limit, with_node_url
from api.settings import Settings, SettingsError


def test_a_node_of_a_bucket_gets_a_url_unless_it_has_one() -> None:
    settings = Settings(storage_backend="s3")
    assert with_node_url(settings, "127.0.0.1", 8000).node_url == "http://127.0.0.1:8000"
    named = msgspec.structs.replace(settings, node_url="http://node-1")
    assert with_node_url(named, "127.0.0.1", 8000) == named
    assert with_node_url(Settings(), "127.0.0.1", 8000) == Settings()


def test_a_setting_that_is_not_valid_ends_the_process_with_the_reason() -> None:
    def create() -> None:
        raise SettingsError("API_KEYS: no key")

    with pytest.raises(SystemExit, match="sercuescribe: API_KEYS: no key"):
        or_exit(create)


def test_the_process_may_open_as_many_files_as_the_system_allows() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
    raise_file_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
