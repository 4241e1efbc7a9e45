"""What a verb prints when it has ended: results on stdout."""

from __future__ import annotations

from pathlib import Path

from gensynth.report.content import Report
from gensynth.report.numbers import between
from gensynth.report.trust_view import cell_tables, trust_view


def print_warnings(facts: dict) -> None:
    for warning in facts["warnings"]:
        print(f"warning: {warning['text']}")


def print_ranking(facts: dict, out: Path) -> None:
    """Sets of `evaluate`, best first, with the faults of each."""
    print_warnings(facts)
    for place, name in enumerate(facts["data"]["ranking"], 1):
        found = facts["sets"][name]
        faults = "; ".join(f"{fault['code']}: {fault['text']}" for fault in found["faults"]) or "no fault found"
        print(f"{place}. {name}: {faults}")
    print(facts["verdict"]["sentence"])
    print(f"report: {out / 'report.html'}")


def print_arms(rows: list[dict]) -> None:
    """Balanced accuracy of every arm, strong classifier, with its answer against doing nothing."""
    classifier = rows[0]["learner"]
    print(f"\n{'arm':<36}{'balanced accuracy':>18}   {'95 % interval':<16}  against real rows only ({classifier})")
    for row in rows:
        if row["learner"] == classifier and row["metric"] == "balanced_accuracy":
            answer = row.get("answer", "").replace("_", " ")
            print(f"{row['arm']:<36}{row['mean']:>18.3f}   {row['low']:.3f} to {row['high']:.3f}    {answer}")


def print_beside(sets: dict[str, dict]) -> None:
    """How new the rows of every arm are, whether labels hold, what they cost."""
    print(f"\n{'arm':<36}{'novelty':>10}{'labels agree':>15}{'s per 1,000 rows':>19}")
    for name, facts in sets.items():
        new, agree = facts["novelty"]["value"], facts["label_agreement"]["value"]
        cells = [f"{value:.2f}" if value is not None else "-" for value in (new, agree)]
        print(f"{name:<36}{cells[0]:>10}{cells[1]:>15}{facts['seconds_per_1000']:>19.2f}")


def print_run(facts: dict, out: Path) -> None:
    """The end of the walk on stdout: verdict, counts before and after, where the report lies."""
    print_warnings(facts)
    print(f"\n{'class':<24}{'before':>8}{'after':>8}   of which added")
    for name, row in facts["data"]["classes"].items():
        synthetic = f"{row['synthetic']} synthetic" + (f", {row['augmented']} augmented" if row["augmented"] else "")
        print(f"{name:<24}{row['before']:>8}{row['after']:>8}   {synthetic}")
    print(f"\nverdict: {facts['verdict']['answer']}\n{facts['verdict']['sentence']}")
    print(facts["how_much"]["sentence"])
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
