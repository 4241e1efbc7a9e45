"""What a verb prints when it has ended: results on stdout."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from gensynth.evaluation.parts import Verdict
from gensynth.report.content import Report
from gensynth.report.diff import BETTER, WORSE, Diff
from gensynth.report.digits import number, signed
from gensynth.report.glossary import name_of
from gensynth.report.head import ANSWERS, advice, why
from gensynth.report.notices import ranked, title_of
from gensynth.report.numbers import between
from gensynth.report.trust_view import cell_tables, trust_view

COLOURS = {"helps": "bold green", "hurts": "bold red", "stop": "bold red", "careful": "yellow", "note": "dim"}
BAR = 31  # characters from the lowest to the highest end of all intervals


def coloured(text: str, style: str = "") -> None:
    """A line on stdout; styles only where a terminal shows them."""
    Console(highlight=False, soft_wrap=True).print(Text(text, style))


def print_head(facts: dict) -> None:
    """What to do, how sure that is, what every way to train gains: as the head of the page."""
    verdict = Verdict.from_json(facts["verdict"])
    coloured(f"\n{advice(verdict)}", COLOURS.get(verdict.answer, "bold"))
    if sure := why(verdict):
        coloured(sure)
    if verdict.standing and verdict.gain:
        print(f"\ngain over {name_of(verdict.gain['against'])} in balanced accuracy, 95 % intervals")
        ends = [0.0, *(line[end] for line in verdict.standing for end in ("low", "high"))]
        for line in verdict.standing:
            bar, style = interval_bar(line, min(ends), max(ends)), "blue" if line["arm"] == verdict.candidate else ""
            numbers = f"{signed(line['mean'], 3)}   {signed(line['low'], 3)} to {signed(line['high'], 3)}"
            coloured(f"  {name_of(line['arm']):<34}{numbers}   {bar}", style)
    print(f"\nverdict: {verdict.answer}\n{verdict.sentence}")


def print_diff(found: Diff) -> None:
    """What got better and worse, the numbers of the verdict whatever they do, faults that came and went."""
    counts = ", ".join(f"{n} {answer.replace('_', ' ')}" for answer, n in found.counts.items())
    print(f"verdict: {found.answers['before']} before, {found.answers['after']} after\n{counts}")
    shown = [one for one in found.changes if one.part == "verdict" or one.answer in (BETTER, WORSE)]
    if shown:
        print(f"\n{'':<64}{'before':>9}{'after':>9}   difference (95 %, all of a part together)")
    for one in sorted(shown, key=lambda one: (one.part != "verdict", one.answer)):
        ends = "no interval" if one.low is None or one.high is None else f"{one.low:+.3g} to {one.high:+.3g}"
        style = {BETTER: "green", WORSE: "red"}.get(one.answer, "")
        text = f"{one.name:<64}{number(one.before):>9}{number(one.after):>9}   {one.difference:+.3g} ({ends})"
        coloured(f"{text}  {one.answer.replace('_', ' ')}", style)
    for when, lines in found.faults.items():
        for line in lines:
            of_class = f" ({line['class']})" if line["class"] else ""
            coloured(f"{when}: {title_of(line['code'])}{of_class}: {line['text']}", COLOURS[line["rank"]])
    for when, names in found.alone.items():
        if names:
            print(f"{len(names)} numbers only {when}")
    print(
        "Runs are taken for independent; on the same test rows a difference is known better than these intervals say."
    )


def interval_bar(line: dict, low: float, high: float) -> str:
    """An interval drawn from low to high, and where zero is.

    >>> interval_bar({"low": 0.0, "mean": 0.5, "high": 1.0}, -1.0, 1.0)
    '               |------o--------'
    """

    def place(value: float) -> int:
        return round((value - low) / ((high - low) or 1.0) * (BAR - 1))

    first, last = place(line["low"]), place(line["high"])
    signs = ["-" if first <= i <= last else " " for i in range(BAR)]
    signs[place(0.0)] = "|"
    signs[place(line["mean"])] = "o"
    return "".join(signs).rstrip()


def print_warnings(facts: dict) -> None:
    """Warnings and faults, worst first, each with what to do."""
    faults = facts.get("faults", [])
    for one in ranked([*faults, *facts["warnings"]]):
        of_class = f" ({one['class']})" if one.get("class") else ""
        coloured(
            f"{one['rank']}: {one['title']}{of_class}: {one['text']}. {one['action']}".rstrip(), COLOURS[one["rank"]]
        )


def print_ranking(facts: dict, out: Path) -> None:
    """Sets of `evaluate`, best first, with the faults of each."""
    print_warnings(facts | {"faults": []})
    for place, name in enumerate(facts["data"]["ranking"], 1):
        found = facts["sets"][name]
        faults = "; ".join(f"{fault['code']}: {fault['text']}" for fault in found["faults"]) or "no fault found"
        print(f"{place}. {name}: {faults}")
    print_head(facts)
    print(f"report: {out / 'report.html'}")


def print_arms(rows: list[dict]) -> None:
    """Balanced accuracy of every arm, strong classifier, with its answer against doing nothing."""
    classifier = rows[0]["learner"]
    title = f"against real rows only ({name_of(classifier)})"
    print(f"\n{'trained with':<36}{'balanced accuracy':>18}   {'95 % interval':<16}  {title}")
    for row in rows:
        if row["learner"] == classifier and row["metric"] == "balanced_accuracy":
            answer = ANSWERS.get(row.get("answer", ""), "")
            print(f"{row['arm']:<36}{row['mean']:>18.3f}   {row['low']:.3f} to {row['high']:.3f}    {answer}")


def print_beside(sets: dict[str, dict]) -> None:
    """How new the rows of every arm are, whether labels hold, what they cost."""
    print(f"\n{'rows of':<36}{'novelty':>10}{'labels agree':>15}{'s per 1,000 rows':>19}")
    for name, facts in sets.items():
        new, agree = facts["novelty"]["value"], facts["label_agreement"]["value"]
        cells = [f"{value:.2f}" if value is not None else "-" for value in (new, agree)]
        print(f"{name:<36}{cells[0]:>10}{cells[1]:>15}{facts['seconds_per_1000']:>19.2f}")


def print_run(facts: dict, out: Path) -> None:
    """The end of the walk on stdout: verdict, counts before and after, where the report lies."""
    print_head(facts)
    print()
    print_warnings(facts)
    print(f"\n{'class':<24}{'before':>8}{'after':>8}   of which added")
    for name, row in facts["data"]["classes"].items():
        synthetic = f"{row['synthetic']} synthetic" + (f", {row['augmented']} augmented" if row["augmented"] else "")
        print(f"{name:<24}{row['before']:>8}{row['after']:>8}   {synthetic}")
    print(f"\n{facts['how_much']['sentence']}")
    _print_trust(facts)
    print(f"report: {out / 'report.html'}")


def _print_trust(facts: dict) -> None:
    """What the trust part of the report says, a line an answer; of named groups a table."""
    report = Report.from_json(facts)
    if facts["bias"].get("groups"):
        print(
            f"\n{'recall by group':<36}{'test rows':>10}   {'real rows only':<22}{'with synthetic rows':<22}difference"
        )
        for table in cell_tables(report.assessment.best.bias):
            for group, row in table["groups"].items():
                name, difference = f"{table['name']}: {group}", between(row["difference"], 3)
                print(
                    f"{name:<36}{row['n']:>10,}   {between(row['without']):<22}{between(row['with']):<22}{difference}"
                )
        for name, table in facts["bias"]["after"]["tables"].items():
            before, after = (
                between(side["disparate_impact"]) for side in (facts["bias"]["before"]["tables"][name], table)
            )
            print(f"disparate impact, {name}: {before} before, {after} after")
    print()
    for part in trust_view(report):
        print(f"{part['question']:<28} {part['lines'][0]}")
