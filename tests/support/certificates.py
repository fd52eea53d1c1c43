"""Certificates for tests of TLS: a root, and what it has signed."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def save_certificates(folder: Path, *names: str) -> None:
    """Write <name>.crt and <name>.key of a `root`, and for each name those that it signed."""
    root_key, root = make_certificate("root")
    save_pem(folder, "root", root_key, root)
    for name in names:
        save_pem(folder, name, *make_certificate(name, root_key, root))


def make_certificate(name: str, signer: Any = None, issuer: Any = None) -> tuple[Any, Any]:
    """Make a key and a certificate for the DNS name; one that signs itself may sign others."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    return key, builder.sign(signer or key, hashes.SHA256())


def save_pem(folder: Path, name: str, key: Any, certificate: Any) -> None:
    """Write <name>.crt and <name>.key."""
    pem = serialization.Encoding.PEM
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(pem))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
