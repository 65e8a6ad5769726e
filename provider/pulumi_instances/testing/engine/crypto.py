"""The CLI's passphrase secrets provider: AES-256-GCM under a key derived with PBKDF2-SHA256."""

from __future__ import annotations

import functools
import hashlib
import os
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_ITERATIONS = 1_000_000
_CHECK_TEXT = "pulumi"


class IncorrectPassphraseError(Exception):
    """The passphrase does not open this stack."""


class Crypter:
    """Encrypts and decrypts the secrets of one stack.

    `state` is what the checkpoint and `Pulumi.<stack>.yaml` call the salt: `v1:<salt>:<a known text, encrypted>`.
    """

    def __init__(self, passphrase: str, state: str) -> None:
        """Open an existing stack. Raises IncorrectPassphraseError, or ValueError for a malformed `state`."""
        version, salt, check = (*state.split(":", 2), "", "")[:3]
        if version != "v1" or not check:
            raise ValueError("the stack's encryption salt is malformed")
        self.state = state
        self._cipher = AESGCM(_derive_key(passphrase, b64decode(salt)))
        try:
            opened = self.decrypt(check)
        except InvalidTag:
            opened = ""
        if opened != _CHECK_TEXT:
            raise IncorrectPassphraseError(
                "incorrect passphrase; set PULUMI_CONFIG_PASSPHRASE, or pass the passphrase this stack was made with"
            )

    def encrypt(self, plaintext: str) -> str:
        """Encrypt under a fresh nonce; equal texts give different ciphertexts."""
        return _encrypt(self._cipher, plaintext)

    def decrypt(self, ciphertext: str) -> str:
        """Decrypt. Raises ValueError or cryptography's InvalidTag for what this stack did not encrypt."""
        _, nonce, sealed = ciphertext.split(":")
        return self._cipher.decrypt(b64decode(nonce), b64decode(sealed), None).decode()


@functools.cache
def new_crypter(passphrase: str) -> Crypter:
    """Make the crypter of new stacks.

    One salt per process and passphrase: deriving the key takes a noticeable part of a second, so the stacks
    of a test run share it. Nonces are fresh for every value.
    """
    salt = os.urandom(8)
    check = _encrypt(AESGCM(_derive_key(passphrase, salt)), _CHECK_TEXT)
    return Crypter(passphrase, f"v1:{b64encode(salt).decode()}:{check}")


@functools.cache
def _derive_key(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, _ITERATIONS, dklen=32)


def _encrypt(cipher: AESGCM, plaintext: str) -> str:
    nonce = os.urandom(12)
    return f"v1:{b64encode(nonce).decode()}:{b64encode(cipher.encrypt(nonce, plaintext.encode(), None)).decode()}"
