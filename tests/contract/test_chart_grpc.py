"""The gateway's public gRPC in the chart: its port, its certificate, its way in from outside."""

import re

from orfeon.api.arbiter.v1 import arbiter_pb2
from orfeon.api.chat.v1 import chat_pb2
from tests.contract.chart import CAPABILITIES, container, environment, of_kind, pod, values_of


def test_its_port_is_the_one_that_the_gateway_is_told() -> None:
    gateway = of_kind({}, "Deployment")["gateway"]
    (inside,) = (each for each in container(gateway)["ports"] if each["name"] == "grpc")
    assert environment(gateway)["ORFEON_GATEWAY_GRPC_PORT"] == str(inside["containerPort"])
    ports = {each["name"]: each for each in of_kind({}, "Service")["gateway"]["spec"]["ports"]}
    assert ports["grpc"] == {
        "name": "grpc",
        "port": 50051,
        "targetPort": "grpc",
        "appProtocol": "kubernetes.io/h2c",
    }


def test_a_certificate_of_its_own_is_mounted_where_the_gateway_looks() -> None:
    values = values_of("triton-cpu")
    gateway = of_kind(values, "Deployment")["gateway"]
    (mount,) = (m for m in container(gateway)["volumeMounts"] if m["name"] == "grpc-tls")
    told = environment(gateway)
    assert told["ORFEON_GATEWAY_GRPC_TLS_CERTIFICATE"] == f"{mount['mountPath']}/tls.crt"
    assert told["ORFEON_GATEWAY_GRPC_TLS_KEY"] == f"{mount['mountPath']}/tls.key"
    (volume,) = (v for v in pod(gateway)["volumes"] if v["name"] == "grpc-tls")
    assert volume["secret"]["secretName"] == "orfeon-grpc-tls"
    (port,) = (
        each
        for each in of_kind(values, "Service")["gateway"]["spec"]["ports"]
        if each["name"] == "grpc"
    )
    assert (port["port"], "appProtocol" in port) == (443, False)
    assert not [name for name in environment(of_kind({}, "Deployment")["gateway"]) if "TLS" in name]


def test_from_outside_it_is_reached_by_the_names_of_the_contracts() -> None:
    *_, route = of_kind(values_of("gpu-whole"), "IngressRoute")["gateway"]["spec"]["routes"]
    (service,) = route["services"]
    assert (service["port"], service["scheme"]) == ("grpc", "h2c")
    prefixes = tuple(re.findall(r"PathPrefix\(`([^`]+)`\)", route["match"]))
    names = [f"orfeon.api.{name}.v1.Service" for name in CAPABILITIES]
    names += ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"]
    assert chat_pb2.DESCRIPTOR.package.startswith("orfeon.api.")
    assert arbiter_pb2.DESCRIPTOR.package.startswith("orfeon.api.")
    assert all(f"/{name}/Method".startswith(prefixes) for name in names)
    assert not "/v1/models".startswith(prefixes)


def test_it_need_not_be_reached_from_outside() -> None:
    values = values_of("gpu-whole")
    values["edge"]["grpcPaths"] = []
    routes = of_kind(values, "IngressRoute")["gateway"]["spec"]["routes"]
    assert {route["services"][0]["port"] for route in routes} == {"http"}
