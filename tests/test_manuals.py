"""What the manuals quote is what the code has: log lines, names of tests, paths."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
_LEVELS = {"debug", "info", "warning", "error", "exception"}


def log_texts() -> Iterator[str]:
    """Yield the format of every log call of the service."""
    for folder in ("api", "storage"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in _LEVELS
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id in {"logger", "_logger"}
                ):
                    yield ast.literal_eval(node.args[0])


def test_every_log_line_of_the_operations_manual_is_one_of_the_service() -> None:
    manual = (ROOT / "docs" / "operations.md").read_text()
    table = re.search(r"^\| text \| meaning \|\n\|---\|---\|\n((?:\|.*\n)+)", manual, re.MULTILINE)
    assert table is not None
    quoted = [
        text
        for row in table[1].splitlines()
        for text in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    assert len(quoted) > 20
    formats = list(log_texts())
    missing = [text for text in quoted if not any(text in each for each in formats)]
    assert missing == []


def test_every_test_that_the_readme_names_exists() -> None:
    readme = (ROOT / "README.md").read_text()
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", readme))
    assert len(named) > 5
    assert {name for name in named if f"def {name}(" not in sources} == set()


def test_every_relative_link_of_the_documents_leads_to_a_file() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/*.md")]
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert broken == []


def test_every_how_to_is_in_the_index() -> None:
    folder = ROOT / "docs" / "how-to"
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (folder / "README.md").read_text()))
    assert linked == {path.name for path in folder.glob("*.md")} - {"README.md"}


def test_every_symptom_of_the_how_to_is_a_text_of_the_service() -> None:
    text = (ROOT / "docs" / "how-to" / "find-what-is-wrong.md").read_text()
    symptoms = [row.split("|")[1] for row in text.splitlines() if row.startswith("|")]
    quoted = [quote for symptom in symptoms for quote in re.findall(r"`([^`]+)`", symptom)]
    assert len(quoted) > 15
    sources = "".join(
        path.read_text() for folder in ("api", "storage") for path in (ROOT / folder).rglob("*.py")
    )
    assert [quote for quote in quoted if quote not in sources] == []


def test_every_module_and_function_of_the_path_of_a_chunk_exists() -> None:
    picture = (ROOT / "docs" / "pictures" / "path-of-a-chunk.svg").read_text()
    boxes = re.findall(r">([\w/]+\.py)</text>\n +<text [^>]+>([\w.]+)", picture)
    assert len(boxes) == 7
    for module, function in boxes:
        source = (ROOT / ("" if module.startswith("storage/") else "api") / module).read_text()
        assert all(re.search(rf"(def|class) {name}\b", source) for name in function.split(".")), (
            module
        )
