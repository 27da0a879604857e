"""Reads and writes the simulated serial lines with pymodbus, an implementation that is not ours.

Usage: line_pymodbus.py TERMINAL HOST:PORT, with two pattern units, 3 and 4, behind each: RTU on the
terminal at 9600 baud, RTU over TCP at the other.
"""

import sys
import time

try:
    from pymodbus import FramerType
    from pymodbus.client import ModbusSerialClient, ModbusTcpClient
    from pymodbus.exceptions import ModbusException
except ImportError:
    sys.exit("pymodbus is not installed for this Python: run ./scripts/test, which sees to it")

terminal, address = sys.argv[1:]
host, port = address.rsplit(":", 1)


def word(unit, address):
    return (256 * unit + 7 * address + 13) % 65536


def look(client):
    assert client.connect(), "no connection"
    for unit in (3, 4):
        for start, count in ((0, 1), (100, 20), (65411, 125)):
            expected = [word(unit, start + index) for index in range(count)]
            holding = client.read_holding_registers(start, count=count, device_id=unit)
            assert not holding.isError() and holding.registers == expected, holding
            inputs = client.read_input_registers(start, count=count, device_id=unit)
            assert not inputs.isError() and inputs.registers == expected, inputs
        coils = client.read_coils(0, count=11, device_id=unit)
        expected = [bin(word(unit, bit)).count("1") % 2 == 1 for bit in range(11)]
        assert not coils.isError() and coils.bits[:11] == expected, coils
    assert not client.write_register(7, 4711, device_id=3).isError()
    assert not client.write_registers(8, [1, 2, 3], device_id=3).isError()
    back = client.read_holding_registers(6, count=6, device_id=3)
    assert back.registers == [word(3, 6), 4711, 1, 2, 3, word(3, 11)], back
    assert not client.write_coils(0, [True, False, True], device_id=3).isError()
    assert client.read_coils(0, count=3, device_id=3).bits[:3] == [True, False, True]
    assert client.read_holding_registers(65500, count=100, device_id=3).exception_code == 2
    # To all: obeyed by both, answered by nobody; the standard's 100 ms for it are the master's to wait.
    client.write_register(50, 99, device_id=0, no_response_expected=True)
    time.sleep(0.1)
    assert client.read_holding_registers(50, count=1, device_id=4).registers == [99]
    try:
        answer = client.read_holding_registers(0, count=1, device_id=9)
        raise AssertionError(f"unit 9 (nobody) answered {answer}")
    except ModbusException:
        pass
    client.close()


# No parity: the C library refuses one at a terminal that has none.
look(ModbusSerialClient(terminal, baudrate=9600, parity="N", timeout=1.5, retries=0))
look(ModbusTcpClient(host, port=int(port), framer=FramerType.RTU, timeout=1.5, retries=0))
print("ok")
