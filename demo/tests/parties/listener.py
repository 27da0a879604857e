"""What travels to headquarters, seen by paho and Google's protobuf.

Usage: listener.py PROTO_DIR PORT OUT. Subscribes to everything; appends one JSON object per message to
OUT: topic, whether it was retained, and the message as protobuf JSON. The first line says {"topic": ""}
once the broker has accepted the subscription.
"""

import json
import sys
import tempfile

try:
    import paho.mqtt.client as mqtt
    from google.protobuf import json_format
    from grpc_tools import protoc
except ImportError as missing:
    sys.exit(f"{sys.executable}: {missing}; run ./scripts/test, which installs what is needed")

proto_dir, port, out = sys.argv[1:]
with tempfile.TemporaryDirectory() as code:
    if protoc.main(["protoc", f"-I{proto_dir}", f"--python_out={code}", "storewarden.proto"]) != 0:
        sys.exit("protoc failed")
    sys.path.insert(0, code)
    import storewarden_pb2 as contract

KINDS = {"status": contract.Status, "ack": contract.Ack, "price": contract.SignedBatch}


def say(line):
    with open(out, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def on_connect(client, userdata, flags, reason, properties):
    if reason.is_failure:
        sys.exit(f"the broker refuses: {reason}")
    client.subscribe("storewarden/v1/#", qos=1)


def on_message(client, userdata, received):
    message = KINDS.get(received.topic.split("/", 4)[4], contract.Envelope)()
    message.ParseFromString(received.payload)
    fields = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    say({"topic": received.topic, "retained": bool(received.retain), "message": fields})


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
client.on_connect = on_connect
client.on_subscribe = lambda *_: say({"topic": ""})
client.on_message = on_message
client.connect("127.0.0.1", int(port))
client.loop_forever()
