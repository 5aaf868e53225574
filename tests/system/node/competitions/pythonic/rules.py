"""Every callable of a competition, as an operator would write it in Python."""
import time


def score(prediction, ground_truth, scope):
    print("scoring", prediction["prediction_id"])
    if prediction["value"] == 666:
        raise ValueError("the scorer cannot bear this number")
    while prediction["value"] == 777:
        time.sleep(1)
    return {
        "value": prediction["value"] * ground_truth["profit"] * 10000,
        "success": True,
        "failed_reason": None,
        "of": prediction["model_id"],
        "asked": scope["subject"],
    }


def build_input(raw_input):
    candles = next(value for name, value in raw_input.items() if name.startswith("candles"))
    return {**raw_input, "candles_last": candles[-1:]}


def validate(output):
    if output["value"] == 999:
        raise ValueError("too bold")


def resolve(records, request):
    entry = [r for r in records if r["ts_final_ms"] <= request["due_ms"]][-1]
    last = [r for r in records if r["ts_final_ms"] <= request["resolve_at_ms"]][-1]
    if entry["segment"] != last["segment"]:
        return {"unresolvable": "the series broke in between"}
    a, b = entry["values"]["close"], last["values"]["close"]
    return {"entry_price": a, "resolved_price": b, "profit": (b - a) / a}


def aggregate(results):
    values = [r["value"] for r in results if "value" in r]
    return {"value": sum(values) / max(1, len(values)), "largest": max(values, default=0.0)}


def rank(rows):
    return [row["model_id"] for row in sorted(rows, key=lambda row: row["model_id"], reverse=True)]
