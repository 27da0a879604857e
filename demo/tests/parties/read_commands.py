"""Reads signed commands with `cryptography` and Google's protobuf.

Called with the folder of storewarden.proto, the public key and any number of SignedCommands, as hex. Prints each
command as protobuf's JSON; fails at the first signature that does not match.
"""

import json
import sys
import tempfile

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf import json_format
from grpc_tools import protoc

proto_dir, public, *payloads = sys.argv[1:]
with tempfile.TemporaryDirectory() as out_dir:
    if protoc.main(["protoc", f"-I{proto_dir}", f"--python_out={out_dir}", "storewarden.proto"]) != 0:
        sys.exit("protoc failed")
    sys.path.insert(0, out_dir)
    import storewarden_pb2 as messages

key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
for payload in payloads:
    signed = messages.SignedCommand.FromString(bytes.fromhex(payload))
    key.verify(signed.signatures[0].signature, b"storewarden/v1/command\n" + signed.command)
    print(json.dumps(json_format.MessageToDict(messages.Command.FromString(signed.command))))
