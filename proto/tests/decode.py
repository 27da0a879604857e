"""Google's own protobuf as the other side of the contract.

Called with the folder of storewarden.proto. Reads one JSON object per line, answers one per line:
  {"decode": MESSAGE, "hex": BYTES}   ->  the message as protobuf JSON
  {"encode": MESSAGE, "json": OBJECT} ->  {"hex": BYTES}
"""

import json
import sys
import tempfile

try:
    from google.protobuf import json_format
    from grpc_tools import protoc
except ImportError as missing:
    sys.exit(f"{sys.executable}: {missing}; run ./scripts/test, which installs what is needed")


def contract(proto_dir, out_dir):
    code = protoc.main(["protoc", f"-I{proto_dir}", f"--python_out={out_dir}", "storewarden.proto"])
    if code != 0:
        sys.exit(f"protoc ended with {code}")
    sys.path.insert(0, out_dir)
    import storewarden_pb2

    return storewarden_pb2


def answer(messages, request):
    if "decode" in request:
        message = getattr(messages, request["decode"])()
        message.ParseFromString(bytes.fromhex(request["hex"]))
        return json_format.MessageToDict(message, preserving_proto_field_name=True)
    message = getattr(messages, request["encode"])()
    json_format.ParseDict(request["json"], message)
    return {"hex": message.SerializeToString(deterministic=True).hex()}


def main():
    with tempfile.TemporaryDirectory() as out_dir:
        messages = contract(sys.argv[1], out_dir)
        for line in sys.stdin:
            print(json.dumps(answer(messages, json.loads(line))))


main()
