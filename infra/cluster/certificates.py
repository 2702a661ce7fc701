"""The cluster's keys, certificates and kubeconfigs: one authority per instance, made at `up` and gone with `down`.

Elliptic curve keys, because six RSA keys would cost half a second. Validity is short on purpose: these protect a local
test cluster, whose authority's key lies beside them.
"""

import base64
import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra.cluster.instance import API_SERVICE_IP, Instance

VALID_DAYS = 30
# A clock that steps back (a resumed virtual machine) must not make a new certificate "not yet valid".
_BACKDATED = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Identity:
    """Whom a certificate names; of a client's, `common_name` is the Kubernetes user and `organization` its group."""

    file: str
    common_name: str
    organization: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Authority:
    """A certificate authority held in memory while it issues."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def identities(instance: Instance) -> tuple[Identity, ...]:
    """Return every identity the components need; names and groups as Kubernetes documents them (PKI certificates)."""
    node = instance.node_ip
    return (
        Identity(
            "apiserver",
            "kube-apiserver",
            hosts=("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", node, API_SERVICE_IP),
        ),
        Identity("admin", "kubernetes-admin", "system:masters"),
        Identity("kubelet", f"system:node:{instance.node_name}", "system:nodes", (instance.node_name, node)),
        Identity("controller-manager", "system:kube-controller-manager", hosts=(node,)),
        Identity("scheduler", "system:kube-scheduler", hosts=(node,)),
        Identity("proxy", "system:kube-proxy"),
        Identity("front-proxy", "front-proxy"),
        Identity("metrics-server", "metrics-server", "system:masters", ("metrics-server.kube-system.svc", node)),
        Identity("coredns", "coredns", "system:masters"),
        Identity("kwok", "kwok", "system:masters"),
        Identity("balancer", "load-balancer-controller", "system:masters"),
    )


def write_pki(instance: Instance) -> None:
    """Write authority, certificates, the service account key and all kubeconfigs below the run folder."""
    instance.pki.mkdir(parents=True, exist_ok=True)
    authority = new_authority(f"{instance.name} cluster authority")
    _write(instance.pki / "ca.crt", _certificate_pem(authority.certificate))
    _write(instance.pki / "service-account.key", _key_pem(ec.generate_private_key(ec.SECP256R1())))
    for identity in identities(instance):
        key, certificate = issue(authority, identity)
        _write(instance.pki / f"{identity.file}.key", key)
        _write(instance.pki / f"{identity.file}.crt", certificate)
        _write(instance.pki / f"{identity.file}.kubeconfig", kubeconfig(instance, identity.file))
    _write(instance.kubeconfig, kubeconfig(instance, "admin"))


def new_authority(common_name: str) -> Authority:
    """Return a self-signed certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    certificate = (
        _unsigned(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate)


def issue(authority: Authority, identity: Identity) -> tuple[bytes, bytes]:
    """Return key and certificate, in PEM, for use as client and as server."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, identity.common_name)]
    if identity.organization:
        subject.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, identity.organization))
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _unsigned(x509.Name(subject), authority.certificate.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(issuer_id, critical=False)
    )
    if identity.hosts:
        names = x509.SubjectAlternativeName([_general_name(host) for host in identity.hosts])
        builder = builder.add_extension(names, critical=False)
    return _key_pem(key), _certificate_pem(builder.sign(authority.key, hashes.SHA256()))


def kubeconfig(instance: Instance, user: str) -> bytes:
    """Return a kubeconfig for one identity with everything embedded, so that it works from any folder and namespace."""

    def embedded(file: str) -> str:
        return base64.b64encode((instance.pki / file).read_bytes()).decode()

    context = f"carepath-{instance.name}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": context,
                "cluster": {"server": instance.server, "certificate-authority-data": embedded("ca.crt")},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": embedded(f"{user}.crt"),
                    "client-key-data": embedded(f"{user}.key"),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": user}}],
        "current-context": context,
    }
    return yaml.safe_dump(document, sort_keys=False).encode()


def _unsigned(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + dt.timedelta(days=VALID_DAYS))
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # The API server reads a service account key in SEC 1 or PKCS #8; every component reads this one.
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes) -> None:
    # Created unreadable for others from the first byte on.
    path.touch(mode=0o600)
    path.write_bytes(content)
