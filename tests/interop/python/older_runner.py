"""A runner as they were before answers carried a status: the public runner's own generated code, gRPC codes for failures.

Started like the public runner: --address host:port --code-directory folder (the folder is not used).
"""
import json
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from model_runner.grpc.generated import dynamic_subclass_pb2_grpc
from model_runner.grpc.generated.commons_pb2 import Status, Variant, VariantType
from model_runner.grpc.generated.dynamic_subclass_pb2 import CallResponse, RestResponse, SetupResponse


class Older(dynamic_subclass_pb2_grpc.DynamicSubclassServiceServicer):
    ready = False

    def Setup(self, request, context):
        self.ready = True
        return SetupResponse()

    def Call(self, request, context):
        if not self.ready:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "Setup has not been called yet")
        return getattr(self, request.methodName or "unnamed")(request, context)

    def Rest(self, request, context):
        self.ready = False
        return RestResponse()

    def predict(self, request, context):
        return CallResponse(methodResponse=Variant(type=VariantType.JSON, value=json.dumps({"value": 0.5}).encode()))

    def number(self, request, context):
        return CallResponse(methodResponse=Variant(type=VariantType.DOUBLE, value=struct.pack("d", 1.5)))

    def nothing(self, request, context):
        return CallResponse()

    def blank(self, request, context):
        return CallResponse(status=Status(), methodResponse=Variant(type=VariantType.INT, value=(7).to_bytes(8, "little")))

    def boom(self, request, context):
        context.abort(grpc.StatusCode.INTERNAL, "The model raised an exception: boom")

    def unnamed(self, request, context):
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "methodName cannot be empty")

    def forgets(self, request, context):
        self.ready = False
        return CallResponse()


server = grpc.server(ThreadPoolExecutor(max_workers=2))
health_servicer = health.HealthServicer()
health_servicer.set("", health_pb2.HealthCheckResponse.SERVING)
health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
dynamic_subclass_pb2_grpc.add_DynamicSubclassServiceServicer_to_server(Older(), server)
server.add_insecure_port(sys.argv[sys.argv.index("--address") + 1])
server.start()
server.wait_for_termination()
