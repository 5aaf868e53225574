"""Drives the public model-runner-client for tests and benchmarks: a JSON request a line on stdin, a JSON answer a line on stdout.

Requests are {"id", "op", ...}, answers {"id", "ok": ...} or {"id", "error": "..."}; they may overtake each other.
Typed values are [type name, value]; a PARQUET value is an object of columns. What JSON cannot say comes back tagged.
"""
import asyncio
import importlib.metadata
import json
import math
import os
import sys
import time
import warnings

import grpc
import pandas
from google.protobuf import empty_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from model_runner_client.grpc.generated import dynamic_subclass_pb2_grpc, train_infer_pb2, train_infer_pb2_grpc
from model_runner_client.grpc.generated.commons_pb2 import Argument, KwArgument, Variant, VariantType
from model_runner_client.model_concurrent_runners import DynamicSubclassModelConcurrentRunner
from model_runner_client.utils.datatype_transformer import decode_data, detect_data_type, encode_data

MAX_LINE = 64 << 20
SAFE_INT = 2 ** 53 - 1


def variant(typed):
    name, value = typed
    if name == "PARQUET":
        value = pandas.DataFrame(value)
    elif name == "DOUBLE":
        value = float(value)
    elif name == "INT":
        value = int(value)
    kind = VariantType.Value(name)
    return Variant(type=kind, value=encode_data(kind, value))


def arguments(args, kwargs):
    return (
        [Argument(position=i + 1, data=variant(typed)) for i, typed in enumerate(args)],
        [KwArgument(keyword=name, data=variant(typed)) for name, typed in kwargs.items()],
    )


def shown(value):
    if isinstance(value, pandas.DataFrame):
        return {"$frame": {"columns": list(value.columns), "rows": shown(value.values.tolist())}}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$num": str(value)}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > SAFE_INT:
        return {"$int": str(value)}
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return [shown(item) for item in value] if isinstance(value, list) else value


def shown_result(result):
    runner = result.model_runner
    infos = runner.infos or {}
    return {
        "model_id": runner.model_id,
        "deployment_id": runner.deployment_id,
        "model_name": runner.model_name,
        "cruncher_id": infos.get("cruncher_id"),
        "cruncher_name": infos.get("cruncher_name"),
        "status": result.status.value,
        "kind": type(result.result).__name__,
        "result": shown(result.result),
        "exec_time_us": result.exec_time_us,
        "detail": result.detail,
    }


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(len(values) * q))]


class Driver:
    def __init__(self):
        self.runner = None
        self.syncing = None

    async def start(self, r):
        args, kwargs = arguments(r.get("instance_args", []), r.get("instance_kwargs", {}))
        limits = {name: r[name] for name in ("max_consecutive_failures", "max_consecutive_timeouts") if name in r}
        self.runner = DynamicSubclassModelConcurrentRunner(
            r["timeout"], r["crunch_id"], r["host"], r["port"], r["base_classname"], args, kwargs, **limits)
        self.cluster.ws_client.retry_interval = r.get("retry_interval", 10)
        await self.runner.init()
        self.syncing = asyncio.create_task(self.runner.sync())
        return await self.models({})

    @property
    def cluster(self):
        return self.runner.model_cluster

    def one(self, r):
        return self.cluster.models_run[r["model"]]

    async def version(self, _):
        return importlib.metadata.version("model-runner-client")

    async def models(self, _):
        return [
            {"model_id": m.model_id, "deployment_id": m.deployment_id, "model_name": m.model_name, "port": m.port,
             "consecutive_failures": m.consecutive_failures, "consecutive_timeouts": m.consecutive_timeouts}
            for m in self.cluster.models_run.values()
        ]

    async def call(self, r):
        form, more = r.get("form", "arguments"), {}
        args, kwargs = arguments(r.get("args", []), r.get("kwargs", {}))
        if form == "arguments":
            more["arguments"] = (args, kwargs)
        elif form == "callable":
            more["arguments"] = lambda model: (args, [*kwargs, KwArgument(keyword="who", data=variant(["STRING", model.model_id]))])
        else:
            warnings.simplefilter("ignore", DeprecationWarning)
            more.update(args=args, kwargs=kwargs)
        if "models" in r:
            more["model_runs"] = [self.cluster.models_run[name] for name in r["models"]]
        if "timeout" in r:
            more["timeout"] = r["timeout"]
        results = await self.runner.call(r["method"], **more)
        return [shown_result(result) for result in results.values()]

    async def health(self, r):
        stub = health_pb2_grpc.HealthStub(self.one(r).grpc_health_channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=r.get("service", "")), timeout=10)
        first = None
        async for seen in stub.Watch(health_pb2.HealthCheckRequest(service=""), timeout=10):
            first = seen
            break
        name = health_pb2.HealthCheckResponse.ServingStatus.Name
        return {"check": name(answer.status), "watch": name(first.status)}

    async def rest(self, r):
        stub = dynamic_subclass_pb2_grpc.DynamicSubclassServiceStub(self.one(r).grpc_channel)
        answer = await stub.Rest(empty_pb2.Empty(), timeout=10)
        return {"code": answer.status.code, "message": answer.status.message}

    async def setup(self, r):
        done, error = await self.one(r).setup(self.one(r).grpc_channel)
        return {"done": done, "error": error and error.value}

    async def reconnect(self, r):
        await self.cluster.reconnect_model_runner(self.one(r))

    async def give_up(self, r):
        await self.cluster.process_failure(self.one(r), r["code"], r.get("reason"))

    async def train_infer(self, r):
        """The package has these services as generated stubs only; they need no orchestrator."""
        async with grpc.aio.insecure_channel(f"127.0.0.1:{r['port']}") as channel:
            stub = getattr(train_infer_pb2_grpc, r["service"] + "Stub")(channel)
            if r["method"] != "Infer":
                await getattr(stub, r["method"])(empty_pb2.Empty(), timeout=30)
                return None
            answer = await stub.Infer(train_infer_pb2.InferRequest(argument=variant(r["argument"])), timeout=30)
            return shown(decode_data(answer.prediction.value, answer.prediction.type))

    async def bench(self, r):
        """Rounds of tick, then predict, on all models: the way the public node calls them."""
        took, cpu = [], time.process_time()
        for _ in range(r["rounds"]):
            begun = time.perf_counter()
            for call in r["calls"]:
                results = await self.runner.call(call["method"], arguments(call.get("args", []), call.get("kwargs", {})))
                bad = [x for x in results.values() if x.status.value != "SUCCESS" or x.result != call.get("expect")]
                if bad or len(results) != r["models"]:
                    raise RuntimeError(f"{len(results)} results, {len(bad)} bad: {bad and bad[0].detail}")
            took.append((time.perf_counter() - begun) * 1000)
            if r.get("pause_ms"):
                await asyncio.sleep(r["pause_ms"] / 1000)
        return {"ms": took, "cpu_ms": (time.process_time() - cpu) * 1000}

    async def values(self, r):
        """What the package itself makes of values: detected type, bytes and back."""
        seen = []
        for name, value in r["values"]:
            encoded = variant([name, value])
            back = decode_data(encoded.value, encoded.type)
            seen.append({"type": VariantType.Name(detect_data_type(back)), "value": shown(back)})
        return seen


def say(answer):
    sys.stdout.write(json.dumps(answer, allow_nan=False) + "\n")
    sys.stdout.flush()


async def perform(driver, request):
    try:
        say({"id": request["id"], "ok": await getattr(driver, request["op"])(request)})
    except Exception as error:  # the caller decides what it means
        say({"id": request["id"], "error": f"{type(error).__name__}: {error}"})


async def main():
    reader = asyncio.StreamReader(limit=MAX_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    driver, running = Driver(), set()
    while line := await reader.readline():
        task = asyncio.create_task(perform(driver, json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    os._exit(0)  # the package's exit hook wants a loop that is gone by then


asyncio.run(main())
