"""What the demo prints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.tables import table

if TYPE_CHECKING:
    from router.cli.demo.story import SceneAnswer
    from router.cli.demo.world import DemoReceivers


def started(registry: str, listen: tuple[int, int], folder: Path) -> None:
    """Where everything is."""
    print(f"registry   http://{registry}  (5 images, made and signed a moment ago)")
    print(f"gate       https://127.0.0.1:{listen[0]}/validate  (staging: watched, payments: enforced)")
    print(f"operations http://127.0.0.1:{listen[1]}/metrics")
    print(f"folder     {folder}\n")


def verdicts_of(event: Mapping[str, object] | None) -> tuple[str, ...]:
    """The verdicts in an event."""
    data = event["data"] if event else {}
    images = data.get("images", []) if isinstance(data, dict) else []
    return tuple(image["verdict"] for image in images)


def decisions(answers: Sequence[SceneAnswer], events: Mapping[str, Mapping[str, object]]) -> None:
    """What was decided and why."""
    rows = [("NAMESPACE", "KIND", "WHAT", "DECIDED", "VERDICTS")]
    rows += [
        (
            answer.scene.namespace,
            answer.scene.kind,
            answer.scene.title,
            "admitted" if answer.allowed else "REJECTED",
            ", ".join(verdicts_of(events.get(answer.uid))),
        )
        for answer in answers
    ]
    print("What was decided\n")
    print(table(rows[0], rows[1:], indent="  "))
    print("\nWhat the person at the terminal reads\n")
    for answer in answers:
        if answer.text:
            print(f"  {answer.scene.kind} in {answer.scene.namespace}:")
            print("\n".join(f"    {line}" for line in answer.text.splitlines()))


def arrivals(receivers: DemoReceivers, *, show_all: bool) -> None:
    """What arrived where, after how many attempts."""
    print("\nWhat arrived\n")
    names = ("sysdig", "slack", "siem")
    rows = [("RECEIVER", "ALERTS", "ATTEMPTS", "NOTE")]
    for name in names:
        accepted = sum(receipt.receiver == name for receipt in receivers.accepted)
        failed = receivers.attempts[name] - accepted
        note = f"answered 503 {failed} times first, nothing lost" if failed else ""
        rows.append((name, str(accepted), str(receivers.attempts[name]), note))
    print(table(rows[0], rows[1:], indent="  "))
    for name in names:
        for receipt in [receipt for receipt in receivers.accepted if receipt.receiver == name][
            : None if show_all else 1
        ]:
            print(f"\n{name} received (attempt {receipt.attempt}):")
            print(json.dumps(receipt.body, indent=2, ensure_ascii=False))


def verdict(differences: Sequence[str]) -> None:
    """Whether all was as expected."""
    if not differences:
        print("\nEverything as expected.")
        return
    print("\nNot as expected:")
    for difference in differences:
        print(f"- {difference}")


def how_to_play(folder: Path, listen: tuple[int, int]) -> None:
    """Commands to go on with; it runs until it is interrupted."""
    print(
        f"""
It keeps running. Try:
  curl -sk -H 'Content-Type: application/json' -d @{folder}/review-5.json https://127.0.0.1:{listen[0]}/validate
  curl -s http://127.0.0.1:{listen[1]}/metrics | grep gatecrier_
  tail -n 1 {folder}/events.jsonl
  gatecrier deliveries list --config {folder}/gatecrier.yaml --state delivered
Ctrl-C ends it and removes the folder.""",
        flush=True,
    )
