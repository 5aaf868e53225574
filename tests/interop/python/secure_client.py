"""Drives the public model-runner-client over mTLS or through a gateway: a JSON request a line on stdin, an answer a line on stdout.

The one argument is JSON: {"host", "port", "crunch_id", "base_classname", "secure": folder} or {..., "gateway": folder}.
"""
import asyncio
import json
import os
import sys
from pathlib import Path

from grpc_health.v1 import health_pb2, health_pb2_grpc
from model_runner_client.grpc.generated.commons_pb2 import Argument, Variant, VariantType
from model_runner_client.model_concurrent_runners import DynamicSubclassModelConcurrentRunner
from model_runner_client.security.credentials import SecureCredentials
from model_runner_client.security.gateway_credentials import GatewayCredentials
from model_runner_client.utils.datatype_transformer import encode_data

TIMEOUT_SECONDS = 20


def credentials(given):
    if "secure" in given:
        return {"secure_credentials": SecureCredentials.from_directory(given["secure"])}
    folder = Path(given["gateway"])
    return {"gateway_credentials": GatewayCredentials.from_files(folder / "tls.crt", folder / "key.pem")}


def argument(position, value):
    kind = VariantType.JSON
    return Argument(position=position, data=Variant(type=kind, value=encode_data(kind, value)))


async def call(runner, request):
    args = [argument(i + 1, value) for i, value in enumerate(request.get("args", []))]
    results = await runner.call(request["method"], (args, []))
    return [
        {"model_id": each.model_runner.model_id, "status": each.status.value, "result": each.result, "detail": each.detail}
        for each in results.values()
    ]


async def health(runner, _):
    seen = {}
    for model in runner.model_cluster.models_run.values():
        stub = health_pb2_grpc.HealthStub(model.grpc_health_channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=""), timeout=TIMEOUT_SECONDS)
        seen[model.model_id] = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return seen


async def models(runner, _):
    return list(runner.model_cluster.models_run)


OPS = {"call": call, "health": health, "models": models}


def say(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def main():
    given = json.loads(sys.argv[1])
    runner = DynamicSubclassModelConcurrentRunner(
        TIMEOUT_SECONDS, given["crunch_id"], given["host"], given["port"], given["base_classname"], **credentials(given))
    await runner.init()
    syncing = asyncio.create_task(runner.sync())
    say({"ready": list(runner.model_cluster.models_run)})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        request = json.loads(line)
        try:
            say({"ok": await OPS[request["op"]](runner, request)})
        except Exception as error:  # the caller decides what it means
            say({"error": f"{type(error).__name__}: {error}"})
    syncing.cancel()
    os._exit(0)  # the package's exit hook wants a loop that is gone by then


asyncio.run(main())
