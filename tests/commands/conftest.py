import pytest

from study.run import main


@pytest.fixture
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def bring(capsys):
    """Imports into the study `old`; gives what was printed, or the error."""

    def bring(*arguments: str, fails: bool = False) -> str:
        code = main(["import", "old", *arguments])
        told = capsys.readouterr()
        assert code == (2 if fails else 0), told.err
        assert bool(told.err) == fails
        return told.err if fails else told.out

    return bring
