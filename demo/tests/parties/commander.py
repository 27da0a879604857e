"""A headquarters that is not ours: signs commands with `cryptography`, encodes them with Google's protobuf,
sends them with paho.

Called with the folder of storewarden.proto, the broker's port, chain, store and the private key's 32 bytes as
hex. Reads one JSON object per line, answers "sent" per line:
  {"command": OBJECT, "key_id": TEXT, "spoil": BOOL}
"""

import json
import sys
import tempfile

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import json_format
from grpc_tools import protoc

proto_dir, port, chain, store, seed = sys.argv[1:]
with tempfile.TemporaryDirectory() as out_dir:
    if protoc.main(["protoc", f"-I{proto_dir}", f"--python_out={out_dir}", "storewarden.proto"]) != 0:
        sys.exit("protoc failed")
    sys.path.insert(0, out_dir)
    import storewarden_pb2 as messages

key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
client.connect("127.0.0.1", int(port))
client.loop_start()
for line in sys.stdin:
    asked = json.loads(line)
    command = json_format.ParseDict(asked["command"], messages.Command()).SerializeToString()
    signature = key.sign(b"storewarden/v1/command\n" + command)
    if asked.get("spoil"):
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    signed = messages.SignedCommand(command=command)
    signed.signatures.add(key_id=asked.get("key_id", "hq-1"), signature=signature)
    topic = f"storewarden/v1/{chain}/{store}/command"
    client.publish(topic, signed.SerializeToString(), qos=1).wait_for_publish(10)
    print("sent", flush=True)
