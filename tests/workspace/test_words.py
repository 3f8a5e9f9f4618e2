"""The words of the repository: the terms of the field, in American spelling."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# what is refused: what to say instead
WORDS = {
    r"\bfilms?\b": "movie, item",
    r"\bjudg(e|es|ed|ing)\b": "evaluate, score",
    r"\btrainings\b": "training runs",
    r"\ba training(?= (that|is|was|of|which|may|must|has|writes|goes)\b)": "a training run",
    r"\ba training('s|[.,:;)]|$)": "a training run",
    r"\bfurther (keyword|loss|losses|layers?|ids|features|levels|methods|outputs?)\b": "additional",
    r"\bfurther (inputs?|tokens?|arguments|hooks|options|parameters|metrics|gates)\b": "additional",
    r"\b(is|are|was|were) told\b(?! apart)": "receives, is configured with, is logged",
    r"(?<!are )(?<!gives )\ball the same\b": "still",
    r"(?<!each )(?<!some )(?<!last )\bof which\b": "a sentence or a clause of its own",
    r"\buser's likes\b|\b(the|only) likes of\b": "positives",
    r"\bof deviation\b|\bthe deviation of\b": "standard deviation",
    r"\bmeant over\b": "averaged over",
    r"\btable health\b": "embedding statistics",
    r"\btak(e|es|en|ing) back\b": "restore",
    r"\bbeside\b": "next to, in addition to",
    r"# B\d+\b": "the reason",
    r"\b(deep|wide|high|low|standard )?learning's rate\b|\bAdam's rate\b": "learning rate",
    r"(colour|favour|behaviour|neighbour)": "American spelling",
    r"(normal|initial|optim|minim|maxim|regular|quant)is(e|es|ed|ing|ation)\b": "-ize",
    r"(general|serial|recogn|standard|summar|organ)is(e|es|ed|ing|ation)\b": "-ize",
    r"(vector|material|parametr|token|util|penal|special)is(e|es|ed|ing|ation)\b": "-ize",
    r"\b(labelled|labelling|modelled|centred?|centres|grey|licence)\b": "American spelling",
    r"\b((?-i:towards)|learnt|whilst|artefacts?|travelled|fulfil|programme)\b": "American spelling",
    # a sentence, an item of a list, a heading or the description of an argument
    r"(^[ #>*-]*|[.!?:;] )(?-i:What(ever)?) (?!.*\?)": "the term of art",
    r"\b(is|are) none of\b": "is not one of",
}
# compiled apart: a pass over a text for each is quicker than one pass for their alternation
PATTERNS = {re.compile(word, re.IGNORECASE | re.MULTILINE): say for word, say in WORDS.items()}
# a string, or a comment; tokenize takes ten times as long
COMMENT = re.compile(
    r'''""".*?"""|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(#[^\n]*)''', re.DOTALL
)
# scripts of 0.9 are quoted
LEFT = ("tests/e2e/scripts_of_0_9", "tests/workspace/test_words.py")


def prose_of_python(text):
    """The lines of docstrings, comments, messages and names of tests: (number, line)."""
    line, end = 1, 0
    for match in COMMENT.finditer(text):
        line, end = line + text.count("\n", end, match.start()), match.start()
        if match[1]:
            yield line, match[1]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name.replace("_", " ")
        with_docstring = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, with_docstring) and ast.get_docstring(node, clean=False):
            docstring = node.body[0]
            for i, line in enumerate(docstring.value.value.split("\n")):
                yield docstring.lineno + i, line
        # the message of an error or of a log: the first argument of a raised or a logged call
        if isinstance(node, ast.Call) and node.args and is_message(node.func):
            for part in ast.walk(node.args[0]):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.lineno, part.value


def is_message(function):
    """Whether a call of it makes an error or writes to the log."""
    if isinstance(function, ast.Attribute):
        levels = ("debug", "info", "warning", "error", "exception", "warn")
        return function.attr in levels
    return isinstance(function, ast.Name) and function.id.endswith(("Error", "Warning"))


def prose_of_page(text):
    """The lines outside code blocks and code: (number, line)."""
    without = re.sub(r"```.*?```", lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL)
    for number, line in enumerate(without.split("\n"), 1):
        yield number, re.sub(r"`[^`]*`|\]\([^)]*\)", "", line)


def refused(path, text):
    """The refused words of a file, as "line: word: replacement"."""
    prose = list(prose_of_page(text) if path.suffix == ".md" else prose_of_python(text))
    lines = "\n".join(line.replace("\n", " ") for _, line in prose)
    found = []
    for pattern, instead in PATTERNS.items():
        for match in pattern.finditer(lines):
            number, _ = prose[lines.count("\n", 0, match.end())]
            found.append(f"{number}: {match[0]!r}: {instead}")
    return found


def files():
    folders = ("packages", "examples", "tests", "docs/en", "docs/cards")
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*"))]
    found += [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    names = [path.relative_to(ROOT).as_posix() for path in found]
    return [n for n in names if n.endswith((".py", ".md")) and not n.startswith(LEFT)]


def test_the_repository_uses_the_words_of_the_field():
    names = files()
    assert len(names) > 400
    wrong = {n: refused(Path(n), (ROOT / n).read_text(encoding="utf-8")) for n in names}
    lines = [f"{name}:{line}" for name, found in wrong.items() for line in found]
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "text", "n"),
    [
        ("a.py", '"""The films of a user."""\n', 1),
        ("a.py", "x = 1  # B46: it was refused\n", 1),
        ("a.py", "def test_the_rows_are_judged():\n    pass\n", 1),
        ("a.py", "def f():\n    '''A further loss, beside that of rows.'''\n", 2),
        ("a.py", 'films = {"film": 1}  # code and data are not prose\n', 0),
        ("a.md", "The colour of a plot.\n", 1),
        ("a.md", "```python\ncolour = 1\n```\nSee `colour`.\n", 0),
        ("a.md", "A training of a model. Its training is fast, further along.\n", 1),
        ("a.md", "Evaluate movies, restore weights, normalize rows.\n", 0),
        ("a.py", "def test_a_logger_is_told_of_the_end():\n    pass\n", 1),
        ("a.py", 'raise ValueError(f"x is {x!r}: judged by its colour")\n', 2),
        ("a.py", 'logger.warning("%d films without a name", n)\n', 1),
        ("a.py", 'logger.log_metrics({"films": 1})  # items that are told apart\n', 0),
        ("a.md", "Labels that are all the same, each of which counts; two of which do.\n", 1),
        ("a.py", '"""What a model reads."""\n', 1),
        ("a.py", "x = 1  # What is moved. Whatever it is: a row\n", 2),
        ("a.md", "## What is new\n\n- Say what is new.\n\nWhat is new? See `What`.\n", 1),
        ("a.py", 'raise ValueError("x is none of a, b; none of the rows has it")\n', 1),
    ],
)
def test_a_word_is_found_in_prose_and_nowhere_else(name, text, n):
    assert len(refused(Path(name), text)) == n
