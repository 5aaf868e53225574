#!/usr/bin/env python3
"""Checks the evidence of a checkpoint with nothing but Python's standard library (3.10 or newer): python3 verify.py CKP_….tar.gz

Written from the format's description (README.md beside it), not from the node's code. It does not run the scorer and asks no chain. Exit code 6: the first
thing that is not as it has to be.
"""
import base64, json, math, sys, tarfile
from ed25519 import verify as signed_by
from rfc import canonical, leaf, node, root, root_of_path, roots_of_growth, sha, value_hash

UNITS = 1_000_000_000  # all of an emission


def need(holds, what):
    if not holds:
        print("✘", what)
        sys.exit(6)


def only(value, names, where):
    need(isinstance(value, dict) and set(value) == set(names.split()), f"{where}: fields {names}")
    return [value[name] for name in names.split()]


def read(path):
    """The files of a bundle, each as its manifest lists it, and nothing else."""
    with tarfile.open(path, "r:gz") as archive:
        members = archive.getmembers()
        need(all(member.isfile() for member in members), "only plain files")
        files = {member.name: archive.extractfile(member).read() for member in members}
    need(len(files) == len(members) and members[0].name == "manifest.json", "every file once, the manifest first")
    form, checkpoint, crunch, listed, _ = only(load(files["manifest.json"]), "format checkpoint crunch files versions", "manifest.json")
    need(form == "almanac-evidence/1", "manifest.json: format")
    for file, member in zip(listed, members[1:], strict=True):
        name, digest, size = only(file, "name sha256 bytes", "manifest.json")
        need(name == member.name and size == len(files[name]) and digest == sha(files[name]).hex(), f"{name}: as in the manifest")
    return files, checkpoint, crunch


def load(data):
    return json.loads(data, parse_constant=lambda name: need(False, name))


def lines(data):
    need(data == b"" or data.endswith(b"\n"), "a last line that ends")
    return [load(line) for line in data.splitlines()]


def check_log(data, record):
    names = "consistency inclusion index note root signer size"
    consistency, inclusion, index, note, log_root, signer, size = only(data, names, "log.json")
    inclusion, consistency = [[bytes.fromhex(h) for h in path] for path in (inclusion, consistency)]
    need(size == index + 1 and root_of_path(leaf(record), index, size, inclusion) == bytes.fromhex(log_root), "log.json: inclusion")
    before = None  # the siblings of the last leaf are the full subtrees before it
    for full in inclusion:
        before = full if before is None else node(full, before)
    if index == 0:
        need(consistency == [], "log.json: consistency")
    else:
        need(roots_of_growth(index, size, consistency, before) == (before, bytes.fromhex(log_root)), "log.json: consistency")
    name = "almanac/" + record["crunch"]
    text, _, signatures = note.rpartition("\n\n")
    key = bytes.fromhex(signer)
    key_id = sha(name.encode() + b"\n\1" + key)[:4]
    dash, by, encoded = signatures.removesuffix("\n").split(" ")
    signature = base64.b64decode(encoded, validate=True)
    need((dash, by) == ("—", name) and base64.b64encode(signature).decode() == encoded and signatures.endswith("\n"), "log.json: note")
    need(signature[:4] == key_id and signed_by(key, (text + "\n").encode(), signature[4:]), "log.json: signature of the note")
    ends = [f"checkpoint {record['id']}", f"root {record['root']}", f"emission {record['emission_hash']}"]
    head = [name, str(size), base64.b64encode(bytes.fromhex(log_root)).decode()]
    need(text.split("\n") == head + ends, "log.json: text of the note")
    return index, signer


def read_scores(rounds):
    """By model: (resolve time, place, hash) of each score."""
    scores, last, place = {}, ("", ""), 0
    for i, line in enumerate(rounds):
        record, entries = only(line, "record scores", f"rounds.ndjson line {i + 1}")
        need(last < (record["due_at"], record["id"]), f"rounds.ndjson line {i + 1}: order")
        last, round_hash = (record["due_at"], record["id"]), leaf(record).hex()
        for entry in entries:
            hash = leaf({"type": "score/1", "round": round_hash} | entry)
            own = scores.setdefault(entry["model_id"], [])
            own.append((record["resolve_at"], place, hash, entry["score"]["value"] is not None))
            place += 1
    return scores, place


def check_snapshots(snapshots, superseded, scores, count):
    """Each snapshot against its scores. Returns hashes in order, and what each model's period adds up to."""
    held, open_ones, known = set(), {}, {}
    for line in superseded:
        known[line["record"]["id"]] = open_ones[line["record"]["id"]] = line["record"]
    hashes, counted = [], []
    for i, line in enumerate(snapshots):
        where = f"snapshots.ndjson line {i + 1}"
        (record,) = only({"record": line["record"]} if "leaves" in line and len(line) == 2 else line, "record", where)
        own = [s for s in sorted(scores.get(record["model_id"], []), key=lambda s: s[1]) if record["period_start"] <= s[0] < record["period_end"]]
        by_hash = {score[2].hex(): score for score in own}
        leaves = line.get("leaves", list(by_hash))
        there = [by_hash[h] for h in leaves if h in by_hash]
        need(root([bytes.fromhex(h) for h in leaves]).hex() == record["scores_root"] and len(leaves) == record["scores"], f"{where}: its scores")
        gone = len(leaves) - len(there)
        need(gone or sum(s[3] for s in there) == record["prediction_count"], f"{where}: prediction_count")
        need("leaves" in line or record["revision"] == 0, f"{where}: leaves")
        need(record["supersedes"] is None or record["supersedes"] in known, f"{where}: supersedes")
        need(record["id"] not in known, f"{where}: twice")
        open_ones.pop(record["supersedes"], None)
        if "leaves" in line:
            known[record["id"]] = record
            if gone or record["revision"] == 0:
                open_ones[record["id"]] = record
        held.update(s[1] for s in there)
        hashes.append(leaf(record))
        counted.append((record, known.get(record["supersedes"])))
    need(not open_ones and len(held) == count, "scores that no snapshot holds, or snapshots that none corrects")
    return hashes, counted


def period_means(counted, start):
    """Exact sums of each field of each model, by predictions; what a correction replaces is taken out."""
    models = {}
    for record, old in counted:
        if record["model_id"].startswith("__ensemble_"):
            continue  # virtual
        model = models.setdefault(record["model_id"], {"snapshots": 0, "fields": {}})
        model["snapshots"] += 1
        new_values, old_values = (numbers(r["result_summary"]) if r else {} for r in (record, old))
        for name in new_values | old_values:
            new = record["prediction_count"] if name in new_values else 0
            was = old["prediction_count"] if name in old_values else 0
            if record["period_end"] <= start and new <= was:
                continue  # an earlier period has paid for it
            field = model["fields"].setdefault(name, [[], 0])
            field[0] += [new_values[name] * new] if name in new_values else []
            field[0] += [-old_values[name] * was] if name in old_values else []
            field[1] += new - was
    return models


def numbers(summary):
    return {k: float(v) for k, v in summary.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def apportion(weights):
    total = sum(weights)
    shares = [w * UNITS // total for w in weights] if total else [0 for _ in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(weights[i] * UNITS % total), i)) if total else []
    for i in order[: UNITS - sum(shares) if total else 0]:
        shares[i] += 1
    return shares


def tier_weights(tiers, ranks):
    units = [math.floor(t * 10_000_000 + 0.5) for t in tiers]
    spare = UNITS - sum(units[: len(ranks)])
    common = math.lcm(len(ranks) or 1, *(ranks.count(r) for r in ranks))
    shared = lambda r: sum(units[r - 1 : r - 1 + ranks.count(r)]) * common // ranks.count(r)
    return [shared(r) + spare * common // len(ranks) for r in ranks]


def contribution_weights(rule, ranks, summaries):
    """Rank, contribution and diversity, each scaled from 0 for the least to 1 for the greatest; whole numbers, 1 is 10^18."""
    one = 10**18
    metric = lambda s, name, sign: sign * math.floor(s[name] * 1e12) if name in s and math.isfinite(s[name] * 1e12) else None

    def scaled(values):
        known = [v for v in values if v is not None] or [0]
        least, most = min(known), max(known)
        return [0 if v is None else one // len(values) if most == least else (v - least) * one // (most - least) for v in values]

    parts = {
        "rank": scaled([one // r for r in ranks]),
        "contribution": scaled([metric(s, "contribution", 1) for s in summaries]),
        "diversity": scaled([metric(s, "model_correlation", -1) for s in summaries]),
    }
    units = {name: math.floor(rule["weights"][name] * 1e9 + 0.5) for name in parts}
    sums = [sum(units[name] * parts[name][i] for name in parts) for i in range(len(ranks))]
    least = sum(sums) * math.floor(rule["minPercent"] * 1e9 + 0.5) // (100 * 10**9)
    return [max(s, least) for s in sums] if any(sums) else [1 for _ in sums]


def check_ranking(models, checkpoint, record):
    ranking, terms, emission = checkpoint["ranking"], checkpoint["terms"], checkpoint["emission"]
    names = {row["model_id"]: (row["model_name"], row["cruncher_id"], row["cruncher_name"]) for row in ranking}
    means = {m: {k: math.fsum(s) / n for k, (s, n) in sorted(f["fields"].items()) if n > 0} for m, f in models.items()}
    heard = [(m, means[m][terms["field"]]) for m in means if terms["field"] in means[m]]
    heard.sort(key=lambda mv: (mv[1] if terms["direction"] == "asc" else -mv[1], mv[0].encode("utf-16-be")))
    ranks = [1 + sum(1 for _, other in heard if (other < v if terms["direction"] == "asc" else other > v)) for _, v in heard]
    rule = terms["rule"]
    if rule["strategy"] == "tier":
        shares = apportion(tier_weights(rule["tiers"], ranks)) if ranks else []
    elif rule["strategy"] == "custom":
        given = {w["model_id"]: int(w["weight"]) for w in rule["weights"]}
        shares = apportion([given.get(m, 0) for m, _ in heard])
    else:
        need(rule["strategy"] == "contribution_weighted", "checkpoint.json: emission rule")
        shares = apportion(contribution_weights(rule, ranks, [means[m] for m, _ in heard]))
    keys = "model_id model_name cruncher_id cruncher_name rank value prediction_count snapshot_count result_summary reward_frac64".split()
    rows = [
        dict(zip(keys, (m, *names.get(m, ("", "", "")), rank, value, models[m]["fields"][terms["field"]][1], models[m]["snapshots"], means[m], share)))
        for (m, value), rank, share in zip(heard, ranks, shares, strict=True)
    ]
    need(canonical(rows) == canonical(ranking), "checkpoint.json: ranking")
    paid = {}
    for row in rows:
        paid[row["cruncher_id"]] = paid.get(row["cruncher_id"], 0) + row["reward_frac64"]
    recipients = [(r["cruncher_id"], r["frac64"]) for r in terms["recipients"]]
    need(recipients == [(c, s) for c, s in paid.items() if s > 0], "checkpoint.json: recipients")
    rewards = [{"cruncher_index": r["cruncher_index"], "reward_pct": r["frac64"]} for r in terms["recipients"]]
    need(emission["crunch"] == record["crunch"] and emission["cruncher_rewards"] == rewards, "checkpoint.json: emission")
    need(not rewards or sum(r["reward_pct"] for r in rewards) == UNITS, "checkpoint.json: sum of the emission")
    return len(rows)


def main(path):
    files, checkpoint_id, crunch = read(path)
    checkpoint = load(files["checkpoint.json"])
    record, ranking, terms, emission = only(checkpoint, "record ranking terms emission", "checkpoint.json")
    need((record["id"], record["crunch"]) == (checkpoint_id, crunch), "manifest.json: checkpoint")
    for value, name in (ranking, "ranking"), (terms, "terms"), (emission, "emission"):
        need(value_hash(value) == record[name + "_hash"], f"checkpoint.json: {name}_hash")
    contracts, used = load(files["contracts.json"]), set()
    for contract in contracts:
        digest, schedule, callables, sources = only(contract, "hash schedule callables sources", "contracts.json")
        used |= set(sources.values())
        texts = {path: files[name].decode() for path, name in sources.items() if name in files}
        need(value_hash({"sources": texts, "schedule": schedule, "callables": callables}) == digest, "contracts.json: hash")
    need([c["hash"] for c in contracts] == record["contract_hashes"], "contracts.json: those of the checkpoint")
    known = "manifest.json checkpoint.json contracts.json log.json rounds.ndjson superseded.ndjson snapshots.ndjson cycles.ndjson"
    need(set(files) == set(known.split()) | used, "a file that nothing refers to")
    index, signer = check_log(load(files["log.json"]), record)
    print("✔ log        entry", index, "signed by", signer)
    rounds = lines(files["rounds.ndjson"])
    need({line["record"]["contract_hash"] for line in rounds} <= set(record["contract_hashes"]), "rounds.ndjson: contracts")
    scores, count = read_scores(rounds)
    superseded = lines(files["superseded.ndjson"])
    hashes, counted = check_snapshots(lines(files["snapshots.ndjson"]), superseded, scores, count)
    print("✔ snapshots ", len(hashes), "hold", count, "scores of", len(rounds), "rounds")
    previous, used, own, roots = None, 0, [], {}
    for cycle in lines(files["cycles.ndjson"]):
        need(previous is None or cycle["previous"] == previous, "cycles.ndjson: previous")
        previous, roots[cycle["id"]] = leaf(cycle).hex(), cycle["snapshots_root"]
        need(cycle["window_end"] <= record["period_end"], "cycles.ndjson: window_end")
        if cycle["window_end"] > record["period_start"]:
            held, used = hashes[used : used + cycle["snapshots"]], used + cycle["snapshots"]
            need(len(held) == cycle["snapshots"] and root(held).hex() == cycle["snapshots_root"], f"{cycle['id']}: snapshots")
            own.append(bytes.fromhex(previous))
    need(used == len(hashes) == record["snapshots"] and len(own) == record["cycles"], "cycles.ndjson: counts")
    need(root(own).hex() == record["root"], "checkpoint.json: root")
    for line in superseded:
        old, proof = only(line, "record proof", "superseded.ndjson")
        cycle, at, size, path = only(proof, "cycle index size path", "superseded.ndjson")
        need(root_of_path(leaf(old), at, size, list(map(bytes.fromhex, path))) == bytes.fromhex(roots[cycle]), "superseded.ndjson: proof")
    print("✔ root      ", record["root"])
    ranked = check_ranking(period_means(counted, record["period_start"]), checkpoint, record)
    print("✔ ranking   ", ranked, "models;", "emission", record["emission_hash"])
    print("– scores are taken as given, and the chain was not looked at")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, tarfile.TarError, OSError, EOFError) as error:
        need(False, f"cannot be read: {type(error).__name__}: {error}")
