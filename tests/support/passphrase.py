"""The CLI's passphrase secrets, opened: AES-256-GCM under a key derived with PBKDF2-SHA256."""

from __future__ import annotations

import functools
import hashlib
from base64 import b64decode

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_ITERATIONS = 1_000_000


@functools.cache
def _cipher(passphrase: str, salt: str) -> AESGCM:
    """``salt`` is what a state calls so: `v1:<salt>:<a known text, encrypted>`."""
    _, salt, _ = salt.split(":", 2)
    return AESGCM(hashlib.pbkdf2_hmac("sha256", passphrase.encode(), b64decode(salt), _ITERATIONS, dklen=32))


def decrypt(passphrase: str, salt: str, ciphertext: str) -> str:
    """Decrypt a secret of a state or of a configuration."""
    _, nonce, sealed = ciphertext.split(":")
    return _cipher(passphrase, salt).decrypt(b64decode(nonce), b64decode(sealed), None).decode()
