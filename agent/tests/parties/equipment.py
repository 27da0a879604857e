"""A freezer controller, a meter and a relay module, served by pymodbus: an implementation that is not ours.

Usage: equipment.py tcp            Modbus TCP, on a free port of 127.0.0.1
       equipment.py serial PORT    RTU at 9600 8N1
Says "ready ADDRESS" when it serves; ends with its standard input. The registers are those of the makers'
public lists; the values are made up here, and nothing of ours is asked for them.
"""

import asyncio
import struct
import sys

try:
    import serial  # noqa: F401
    from pymodbus import FramerType
    from pymodbus.server import ModbusSerialServer, ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice
except ImportError as missing:
    sys.exit(f"{sys.executable}: {missing}; run ./scripts/test, which installs what is needed")


def blocks(registers):
    return [SimData(at, values=[word & 0xFFFF], datatype=DataType.REGISTERS) for at, word in sorted(registers.items())]


NOTHING = [SimData(60000, values=[0], datatype=DataType.REGISTERS)]
NO_BITS = [SimData(60000, values=[False] * 16, datatype=DataType.BITS)]

# Danfoss EKC 202D: temperatures in tenths of a degree.
FREEZER = {
    2545: -220, 2575: -214, 2529: -203, 2530: -231, 1010: -187, 2531: -210, 2577: -214, 2006: 11, 1035: 0,
    2021: 0, 2532: 0, 20011: 0, 2001: 0, 2555: 0, 2509: 1, 2510: 1, 2511: 0, 2578: 0, 2582: 0, 2583: 1,
    2540: 0, 99: -220, 116: 1, 1012: 0, 125: 0, 3043: 0, 2057: 1, 2045: 0,
}
FREEZER.update({at: 0 for at in range(19999, 20013)})

# Eastron SDM630: IEEE 754 singles, high word first.
METER = {at: 0 for at in list(range(0, 0x60)) + [0x156, 0x157]}
for at, value in {
    0x00: 230.5, 0x02: 229.25, 0x04: 231.75, 0x06: 4.5, 0x08: 2.25, 0x0A: 1.5, 0x0C: 1037.25, 0x0E: 515.8125,
    0x10: 347.625, 0x34: 1900.6875, 0x3E: 0.96875, 0x46: 49.96875, 0x48: 4200.5, 0x4A: 12.25, 0x156: 4212.75,
}.items():
    METER[at], METER[at + 1] = struct.unpack(">HH", struct.pack(">f", value))

UNITS = [
    SimDevice(1, simdata=(NO_BITS, NO_BITS, blocks(FREEZER), NOTHING)),
    SimDevice(2, simdata=(NO_BITS, NO_BITS, NOTHING, blocks(METER))),
    SimDevice(
        3,
        simdata=(
            [SimData(0, values=[False, True] + [False] * 14, datatype=DataType.BITS)], NO_BITS, NOTHING, NOTHING
        ),
    ),
]


async def main():
    if sys.argv[1] == "serial":
        server = ModbusSerialServer(UNITS, port=sys.argv[2], baudrate=9600, parity="N", stopbits=1)
        address = sys.argv[2]
    else:
        server = ModbusTcpServer(UNITS, framer=FramerType.SOCKET, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    if sys.argv[1] == "tcp":
        address = "127.0.0.1:%d" % server.transport.sockets[0].getsockname()[1]
    print("ready " + address, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
