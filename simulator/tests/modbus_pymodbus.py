"""Reads and switches the simulated store with pymodbus, an implementation that is not ours.

Usage: modbus_pymodbus.py HOST:PORT, with the store of store.toml behind it.
Numbers of several registers are put together with struct, not with pymodbus's own helpers.
"""

import socket
import struct
import sys
import time

try:
    from pymodbus.client import ModbusTcpClient
    from pymodbus.exceptions import ModbusException
except ImportError:
    sys.exit("pymodbus is not installed for this Python: run ./scripts/test, which sees to it")

host, port = sys.argv[1].rsplit(":", 1)
client = ModbusTcpClient(host, port=int(port), timeout=2, retries=0)
assert client.connect(), "no connection"


def signed(word):
    return struct.unpack(">h", struct.pack(">H", word))[0]


def single(words):
    return struct.unpack(">f", struct.pack(">HH", *words))[0]


def registers(answer):
    assert not answer.isError(), answer
    return answer.registers


# Function 3: an EKC 202D with a healthy freezer behind it.
air = signed(registers(client.read_holding_registers(2575, count=1, device_id=1))[0]) / 10
assert -26 < air < -12, air
assert registers(client.read_holding_registers(2545, count=1, device_id=1)) == [0x10000 - 220]
assert registers(client.read_holding_registers(2509, count=2, device_id=1))[0] in (0, 1)

# Function 6 writes the night flag, function 3 reads it back.
assert not client.write_register(125, 1, device_id=1).isError()
assert registers(client.read_holding_registers(125, count=1, device_id=1)) == [1]
assert client.write_register(125, 2, device_id=1).exception_code == 3
assert client.write_register(2575, 2, device_id=1).exception_code == 2

# Functions 4, 2 and 1: an ir33 with a chiller.
air = signed(registers(client.read_input_registers(403, count=1, device_id=3))[0]) / 10
assert 0 < air < 8, air
flags = client.read_discrete_inputs(3, count=5, device_id=3)
assert not flags.isError() and flags.bits[0] is False, "a gap within gap_max is read as zeros"
coils = client.read_coils(51, count=1, device_id=3)
assert not coils.isError() and coils.bits[0] is True, "the lamp is on"

# Function 4: floats of the meter, high word first.
words = registers(client.read_input_registers(0, count=18, device_id=4))
volts = [single(words[i : i + 2]) for i in (0, 2, 4)]
watts = [single(words[i : i + 2]) for i in (12, 14, 16)]
assert all(220 < volt < 240 for volt in volts), volts
assert watts[2] == 0, watts
assert watts[0] >= 450 and watts[1] >= 450, "the base load and the cabinets are on phases 1 and 2"
energy = single(registers(client.read_input_registers(0x48, count=2, device_id=4)))
assert energy > 4200, energy
assert single(registers(client.read_input_registers(0x46, count=2, device_id=4))) == 50.0

# Functions 5 and 15 switch coils; the lamp shows on the meter.
assert not client.write_coil(0, True, device_id=5).isError()
assert client.read_coils(0, count=8, device_id=5).bits == [True] + [False] * 7
deadline = time.monotonic() + 20
while True:
    phase_3 = single(registers(client.read_input_registers(0x10, count=2, device_id=4)))
    if abs(phase_3 - 120) < 0.01:
        break
    assert time.monotonic() < deadline, phase_3
    time.sleep(0.05)
assert not client.write_coils(0, [False, True, True], device_id=5).isError()
assert client.read_coils(0, count=8, device_id=5).bits == [False, True, True] + [False] * 5
assert client.read_coils(8, count=1, device_id=5).exception_code == 2

# A recording has the air temperature and nothing else.
air = signed(registers(client.read_holding_registers(2575, count=1, device_id=6))[0]) / 10
assert -27 < air < -12, air
assert client.read_holding_registers(2509, count=1, device_id=6).exception_code == 2

# Broken lines and probes.
assert client.read_coils(0, count=8, device_id=8).exception_code == 4
assert registers(client.read_holding_registers(2575, count=1, device_id=10)) == [0x7FFF]
for unit, why in ((7, "silent"), (99, "nobody")):
    lonely = ModbusTcpClient(host, port=int(port), timeout=0.5, retries=0)
    lonely.connect()
    try:
        answer = lonely.read_coils(0, count=8, device_id=unit)
        raise AssertionError(f"unit {unit} ({why}) answered {answer}")
    except ModbusException:
        pass
    lonely.close()

# Garbage: the header is whole, the answer shorter than a good one.
with socket.create_connection((host, int(port)), timeout=20) as raw:
    raw.sendall(struct.pack(">HHHBBHH", 0x0102, 0, 6, 9, 1, 0, 8))
    answer = raw.recv(100)
assert answer == struct.pack(">HHHBB", 0x0102, 0, 2, 9, 1), answer.hex()

client.close()
print("ok")
