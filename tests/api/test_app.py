"""The composition root: settings in, application out."""

from pathlib import Path

import pytest

from api.app import create_app
from api.session.registry import Registry
from api.settings import Settings
from storage.local import LocalStorage


def test_creating_the_application_touches_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    app = create_app(Settings(audio_storage_path=str(folder)))
    assert isinstance(app.state.registry, Registry)
    assert not folder.exists()


async def test_the_storage_runs_as_long_as_the_application(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    app = create_app(Settings(audio_storage_path=str(tmp_path)), storage=storage)
    async with app.lifespan():
        assert storage._lock is not None
        successor = LocalStorage(tmp_path)
        with pytest.raises(Exception, match="in use by another process"):
            await successor.start()
        await successor.stop()
    await storage.start()  # the folder is free again
    await storage.stop()
