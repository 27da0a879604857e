"""Cabinets behind a Modbus TCP gateway, served by pymodbus.

Usage: fridges.py TOLD ASKED. TOLD is a JSON file {"version": 1, "units": UNITS}, read again when it
changes; UNITS are, by number:
  {"1": {"celsius": [low, high, period_s]},     an EKC 202D: air in holding register 2575, 0.1 K,
                                                half the period at each of the two
   "2": {"exception": 4},                       every request is refused with this code
   "3": {"garbled": true},                      every answer has another function than was asked
   "4": {"silent": true},                       no answer ever
   "5": {"holding": {"2545": -220}, "input": {"403": 34}, "input_f32": {"52": 1234.5}}}
Every unit must be named at the start. ASKED is written with the port, the version of TOLD that is in
force, and how often each unit was asked.
"""

import asyncio
import functools
import json
import os
import struct
import sys
import time

try:
    from pymodbus.constants import ExcCodes
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice
except ImportError as missing:
    sys.exit(f"{sys.executable}: {missing}; run ./scripts/test, which installs what is needed")

TOLD, ASKED = sys.argv[1:]
AIR = 2575
units = {}
asked = {}


def words_of(unit, function):
    if function == 3:
        words = {int(address): value & 0xFFFF for address, value in unit.get("holding", {}).items()}
        if "celsius" in unit:
            low, high, period = unit["celsius"]
            value = low if time.time() % period < period / 2 else high
            words[AIR] = round(value * 10) & 0xFFFF
        return words
    words = {int(address): value & 0xFFFF for address, value in unit.get("input", {}).items()}
    for address, value in unit.get("input_f32", {}).items():
        words[int(address)], words[int(address) + 1] = struct.unpack(">HH", struct.pack(">f", value))
    return words


async def answer(number, function, start, address, count, current, values):
    unit = units[number]
    if "exception" in unit:
        return ExcCodes(unit["exception"])
    if function not in (3, 4) or values is not None:
        return ExcCodes.ILLEGAL_FUNCTION
    words = words_of(unit, function)
    for register in range(address, address + count):
        if register not in words:
            return ExcCodes.ILLEGAL_ADDRESS
        current[register - start] = words[register]
    return None


def look(sending, packet):
    """Counts what comes, spoils what goes out of garbled units."""
    if len(packet) < 8:
        return packet
    number = packet[6]
    if not sending:
        asked[number] = asked.get(number, 0) + 1
    elif units[number].get("silent"):
        return b""
    elif units[number].get("garbled"):
        return packet[:7] + bytes([packet[7] ^ 0x07]) + packet[8:]
    return packet


def write(port, version):
    with open(ASKED + ".part", "w", encoding="utf-8") as file:
        json.dump({"port": port, "version": version, "asked": asked}, file)
    os.replace(ASKED + ".part", ASKED)


def read():
    with open(TOLD, encoding="utf-8") as file:
        told = json.load(file)
    units.update({int(number): unit for number, unit in told["units"].items()})
    return told["version"]


async def main():
    version = read()
    devices = [
        SimDevice(
            id=number,
            simdata=[SimData(0, count=4000, values=0, datatype=DataType.REGISTERS)],
            action=functools.partial(answer, number),
        )
        for number in units
    ]
    server = ModbusTcpServer(devices, address=("127.0.0.1", 0), trace_packet=look)
    await server.serve_forever(background=True)
    port = server.transport.sockets[0].getsockname()[1]
    while True:
        write(port, version)
        await asyncio.sleep(0.05)
        version = read()


asyncio.run(main())
