"""Check a WAV against its manifest: python verify_receipt.py FILE.wav FILE.json KEYS.json

Needs only the package `cryptography`. KEYS.json is /.well-known/sercuescribe-receipt-keys.json.
"""

import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

wav, manifest, document = (pathlib.Path(name).read_bytes() for name in sys.argv[1:])
receipt = json.loads(manifest)["receipt"]
signature = bytes.fromhex(receipt.pop("signature"))
signed = json.dumps(receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
keys = [bytes.fromhex(key["public_key"]) for key in json.loads(document)["keys"]]
key = next(key for key in keys if hashlib.sha256(key).hexdigest() == receipt["kid"])
Ed25519PublicKey.from_public_bytes(key).verify(signature, signed.encode())
pcm = wav[80:]
blocks = [pcm[start : start + 2**20] for start in range(0, len(pcm), 2**20)]
digest = hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks))
assert (len(pcm), digest.hexdigest()) == (receipt["audio"]["bytes"], receipt["audio"]["digest"])
