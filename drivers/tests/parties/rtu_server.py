"""Units of an RS-485 line, served by pymodbus: an implementation that is not ours.

Usage: rtu_server.py serial PORT    RTU at 19200 8N1 on a serial port
       rtu_server.py tcp            RTU frames over TCP, on a free port of 127.0.0.1
       rtu_server.py mbap           Modbus TCP, on a free port of 127.0.0.1
Says "ready" or "ready ADDRESS" when it serves. Units 1 to 3; holding register A of unit U, 100 to 219,
is U * 256 + A. Other addresses are refused with exception 2. Ends with its
standard input.
"""

import asyncio
import sys

try:
    import serial  # noqa: F401
    from pymodbus import FramerType
    from pymodbus.server import ModbusSerialServer, ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice
except ImportError as missing:
    sys.exit(f"{sys.executable}: {missing}; run ./scripts/test, which installs what is needed")

FIRST, COUNT = 100, 120


def unit(number):
    words = [number * 256 + address for address in range(FIRST, FIRST + COUNT)]
    return SimDevice(number, simdata=[SimData(FIRST, values=words, datatype=DataType.REGISTERS)])


async def main():
    units = [unit(number) for number in (1, 2, 3)]
    kind = sys.argv[1]
    if kind == "serial":
        # No parity: pseudo terminals have none, and the C library calls that an error.
        server = ModbusSerialServer(units, port=sys.argv[2], baudrate=19200, parity="N", stopbits=1)
    else:
        framer = FramerType.RTU if kind == "tcp" else FramerType.SOCKET
        server = ModbusTcpServer(units, framer=framer, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    address = ""
    if kind != "serial":
        address = " 127.0.0.1:%d" % server.transport.sockets[0].getsockname()[1]
    print("ready" + address, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
