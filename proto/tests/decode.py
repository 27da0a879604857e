"""Google's own protobuf as the other side of the contract.

Called with the folder of storewarden.proto. Reads one JSON object per line, answers one per line:
  {"decode": MESSAGE, "hex": BYTES}   ->  the message as protobuf JSON
  {"encode": MESSAGE, "json": OBJECT} ->  {"hex": BYTES}
  {"unpack": BYTES}                   ->  [{"device", "point", "unit", "readings": [[ms, value, quality, exception]]}]
"""

import json
import sys
import tempfile
import zlib

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


def unpack(messages, packed):
    """docs/telemetry.md, step by step."""
    columns = messages.Columns()
    columns.ParseFromString(zlib.decompress(packed))
    moments = []
    for times in columns.times:
        at, step = [times.first_ms], 0
        for change in times.step_change_ms:
            step += change
            at.append(at[-1] + step)
        moments.append(at)
    points = []
    device = ""
    for column in columns.column:
        device = column.device or device
        at = moments[column.times]
        if column.passed:
            at, place = [], -1
            for passed in column.passed:
                place += passed + 1
                at.append(moments[column.times][place])
        qualities = [(run.quality, run.exception) for run in column.quality for _ in range(run.count)]
        qualities = qualities or [(messages.QUALITY_GOOD, 0)] * len(at)
        values = list(column.single) or list(column.full)
        whole = 0
        for change in column.change:
            whole += change
            values.append(whole / 10**column.decimals)
        values = iter(values)
        good = (messages.QUALITY_GOOD, messages.QUALITY_STALE)
        readings = [
            [ms, next(values) if quality in good else None, quality, exception]
            for ms, (quality, exception) in zip(at, qualities, strict=True)
        ]
        assert next(values, None) is None, "values are left over"
        points.append(
            {"device": device, "point": column.point, "unit": column.unit, "readings": readings}
        )
    return points


def answer(messages, request):
    if "unpack" in request:
        return unpack(messages, bytes.fromhex(request["unpack"]))
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
