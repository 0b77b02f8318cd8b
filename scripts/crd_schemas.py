"""Writes tests/contract/schemas/crds.json: what the custom resources of our chart may say, closed.

The types come from the npm packages @kubernetes-models/*, made of the projects' own sources.
Needs node and npm. Run it again to take newer ones, and read what changed.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "tests" / "contract" / "schemas" / "crds.json"

#: Version of each npm package, and the kinds of it that we use.
PACKAGES = {
    "@kubernetes-models/traefik": (
        "2.0.0",
        "traefik.io/v1alpha1",
        ("IngressRoute", "Middleware", "ServersTransport", "TLSOption"),
    ),
    "@kubernetes-models/cert-manager": ("6.0.0", "cert-manager.io/v1", ("Certificate",)),
    "@kubernetes-models/prometheus-operator": (
        "6.0.0",
        "monitoring.coreos.com/v1",
        ("PodMonitor", "PrometheusRule", "ServiceMonitor"),
    ),
    "@kubernetes-models/keda": (
        "2.0.0",
        "keda.sh/v1alpha1",
        ("ScaledObject", "TriggerAuthentication"),
    ),
    "@kubernetes-models/gateway-api": (
        "2.0.0",
        "gateway.networking.k8s.io/v1",
        ("GRPCRoute", "HTTPRoute"),
    ),
}
GENERATOR = "ts-json-schema-generator@2.9.0"


def main() -> None:
    """Installs the packages into a folder of its own, and turns their types into schemas."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        install = [f"{name}@{version}" for name, (version, _, _) in PACKAGES.items()]
        (work / "package.json").write_text("{}", "utf-8")
        _run(["npm", "install", "--silent", GENERATOR, *install], work)
        imports, members = [], []
        for name, (_, group, kinds) in PACKAGES.items():
            for kind in kinds:
                imports.append(f'import {{ I{kind} }} from "{name}/{group}/{kind}";')
                members.append(f'"{group}/{kind}": I{kind};')
        (work / "kinds.ts").write_text(
            "\n".join([*imports, "export interface Kinds {", *members, "}"]), "utf-8"
        )
        options = {"module": "nodenext", "moduleResolution": "nodenext", "strict": True}
        (work / "tsconfig.json").write_text(json.dumps({"compilerOptions": options}), "utf-8")
        # Several types have one name, so none gets a definition: each is written out in its place.
        text = _run(
            [
                *("npx", "ts-json-schema-generator", "--tsconfig", "tsconfig.json"),
                *("--path", "kinds.ts", "--type", "Kinds", "--no-top-ref"),
                *("--expose", "none", "--jsDoc", "none"),
            ],
            work,
        )
    schemas: dict[str, Any] = json.loads(text)["properties"]
    for schema in schemas.values():
        # The cluster writes it, a chart never does.
        schema["properties"].pop("status", None)
    lines = (f"{json.dumps(kind)}: {json.dumps(each)}" for kind, each in sorted(schemas.items()))
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def _run(command: list[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, text=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    main()
