"""Keys, certificates and kubeconfigs, checked with the verifier of the library rather than by their bytes."""

import ipaddress
import stat

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from infra.cluster.certificates import Authority, Identity, identities, issue, new_authority, write_pki
from infra.cluster.instance import Instance


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return an authority to issue with."""
    return new_authority("test authority")


def test_server_certificate_is_accepted_for_its_address_only(authority: Authority) -> None:
    """A client that asks 10.90.1.2 trusts it; one that asks another address does not."""
    _, pem = issue(authority, Identity("server", "kube-apiserver", hosts=("10.90.1.2", "localhost")))
    policy = PolicyBuilder().store(Store([authority.certificate]))
    certificate = x509.load_pem_x509_certificate(pem)
    policy.build_server_verifier(x509.IPAddress(ipaddress.ip_address("10.90.1.2"))).verify(certificate, [])
    policy.build_server_verifier(x509.DNSName("localhost")).verify(certificate, [])
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.IPAddress(ipaddress.ip_address("10.90.0.2"))).verify(certificate, [])


def test_certificate_of_another_authority_is_refused(authority: Authority) -> None:
    """Two instances side by side do not trust each other's components."""
    _, pem = issue(new_authority("another"), Identity("server", "kube-apiserver", hosts=("localhost",)))
    verifier = PolicyBuilder().store(Store([authority.certificate])).build_server_verifier(x509.DNSName("localhost"))
    with pytest.raises(VerificationError):
        verifier.verify(x509.load_pem_x509_certificate(pem), [])


def test_key_belongs_to_its_certificate(authority: Authority) -> None:
    """What is written side by side fits together."""
    key, pem = issue(authority, Identity("admin", "kubernetes-admin", "system:masters"))
    public = serialization.load_pem_private_key(key, None).public_key()
    assert x509.load_pem_x509_certificate(pem).public_key() == public


def test_kubelet_is_named_as_the_node_authorizer_wants_it(instance: Instance) -> None:
    """Kubernetes gives a node its rights by user system:node:NAME in group system:nodes."""
    kubelet = next(identity for identity in identities(instance) if identity.file == "kubelet")
    _, pem = issue(new_authority("x"), kubelet)
    subject = x509.load_pem_x509_certificate(pem).subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:two-node"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"


def test_api_server_is_valid_for_the_service_address_that_pods_use(instance: Instance) -> None:
    """Pods reach it as 10.96.0.1 and kubernetes.default.svc, the host by the node's address."""
    api = next(identity for identity in identities(instance) if identity.file == "apiserver")
    assert {"10.96.0.1", "kubernetes.default.svc", "10.90.1.2"} <= set(api.hosts)


def test_written_keys_are_readable_by_their_owner_only(instance: Instance) -> None:
    """The administrator's key gives all rights in the cluster."""
    write_pki(instance)
    files = [*instance.pki.iterdir(), instance.kubeconfig]
    assert len(files) > 20
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_kubeconfig_embeds_everything_and_names_the_instance(instance: Instance) -> None:
    """It works from any folder, and its context says which of several clusters it is."""
    write_pki(instance)
    config = yaml.safe_load(instance.kubeconfig.read_text(encoding="utf-8"))
    assert config["current-context"] == "carepath-two"
    assert config["clusters"][0]["cluster"]["server"] == "https://10.90.1.2:6443"
    assert set(config["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}
