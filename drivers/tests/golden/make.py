#!/usr/bin/env python3
"""Writes the golden traces of this folder: what a device of each family answers, and what that means.

Nothing here reads a profile. Addresses, kinds and factors are written down a second time, from the makers'
register lists; pymodbus turns numbers into registers and registers into answers. `tests/golden.rs` reads
the answers through the shipped profiles and compares.

    $STOREWARDEN_PYTHON drivers/tests/golden/make.py
"""

import json
import pathlib

from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.pdu.bit_message import ReadCoilsResponse, ReadDiscreteInputsResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse

TYPE = ModbusClientMixin.DATATYPE
ANSWERS = {
    1: ReadCoilsResponse,
    2: ReadDiscreteInputsResponse,
    3: ReadHoldingRegistersResponse,
    4: ReadInputRegistersResponse,
}
FAULT = "sensor_fault"
RANGE = "out_of_range"


class Device:
    """What lies in the tables of one device."""

    def __init__(self, profile):
        self.profile = profile
        self.memory = {}
        self.expect = {}

    def number(self, name, function, address, kind, raw, value, low_first=False):
        """A number of one, two or four registers; `value` is what it means."""
        order = "little" if low_first else "big"
        registers = ModbusClientMixin.convert_to_registers(raw, getattr(TYPE, kind), word_order=order)
        for offset, register in enumerate(registers):
            self.memory[(function, address + offset)] = register
        self.expect[name] = value

    def word(self, function, address, word, **values):
        """A register of flags or fields."""
        self.memory[(function, address)] = word
        self.expect.update(values)

    def bit(self, name, function, address, value, meaning=None):
        """A coil or discrete input."""
        self.memory[(function, address)] = bool(value)
        self.expect[name] = float(value if meaning is None else meaning)

    def flags(self, function, flags):
        """Registers that hold 0 or 1."""
        for name, (address, value) in flags.items():
            self.number(name, function, address, "UINT16", value, float(value))

    def write(self):
        runs = []
        for function, address in sorted(self.memory):
            last = runs[-1] if runs else None
            if last and last[0] == function and last[1] + len(last[2]) == address and len(last[2]) < 100:
                last[2].append(self.memory[(function, address)])
            else:
                runs.append((function, address, [self.memory[(function, address)]]))
        answers = []
        for function, address, values in runs:
            content = {"bits": values} if function < 3 else {"registers": values}
            answer = ANSWERS[function](**content)
            pdu = bytes([answer.function_code]) + answer.encode()
            answers.append({"address": address, "pdu": pdu.hex()})
        trace = {"profile": self.profile, "answers": answers, "expect": self.expect}
        path = pathlib.Path(__file__).parent / f"{self.profile}.json"
        path.write_text(json.dumps(trace, indent=1) + "\n")


def danfoss():
    """A freezer at −21.4 °C in a defrost, its S5 sensor broken. Neighbours among the flags from 19999 on
    differ, so that an address that is one off shows."""
    d = Device("danfoss-ekc-202d")
    for name, address, raw, value in [
        ("air_temperature", 2575, -214, -21.4),
        ("set_point", 99, -220, -22.0),
        ("set_point_in_force", 2545, -200, -20.0),
        ("return_air_temperature", 2529, -198, -19.8),
        ("supply_air_temperature", 2530, -231, -23.1),
        ("defrost_temperature", 1010, -1999, RANGE),
        ("thermostat_temperature", 2531, 3, 0.3),
        ("alarm_temperature", 2577, 0, 0.0),
    ]:
        d.number(name, 3, address, "INT16", raw, value)
    assert d.memory[(3, 2575)] == 0xFF2A
    d.number("state", 3, 2006, "UINT16", 14, 14.0)
    d.flags(3, {
        "defrost": (1035, 1), "defrost_hold": (2021, 0), "night_in_force": (2532, 1), "cleaning": (20011, 1),
        "standby": (20012, 0), "door": (2001, 1), "input_2": (2555, 0), "compressor": (2509, 0),
        "fan": (2510, 0), "defrost_heater": (2511, 1), "rail_heat": (2578, 1), "alarm_output": (2582, 1),
        "light_output": (2583, 0), "alarm": (2540, 1), "controller_fault": (19999, 1),
        "clock_fault": (20000, 0), "probe_fault_1": (20001, 1), "probe_fault_2": (20002, 0),
        "probe_fault_3": (20003, 1), "alarm_high": (20004, 0), "alarm_low": (20005, 1),
        "door_alarm": (20006, 0), "input_alarm_1": (20007, 1), "input_alarm_2": (20008, 0),
        "defrost_timeout": (20009, 1), "hold_timeout": (20010, 0), "on": (116, 1), "defrost_start": (1012, 0),
        "night": (125, 1), "forced_cooling": (3043, 0), "light": (2057, 1), "alarm_reset": (2045, 0),
    })
    d.write()

    # The older sister: alarms lie elsewhere.
    d = Device("danfoss-ekc-202b")
    for name, address, raw, value in [
        ("air_temperature", 2575, 42, 4.2), ("set_point", 99, 20, 2.0), ("set_point_in_force", 2545, 20, 2.0),
        ("return_air_temperature", 2588, 51, 5.1), ("defrost_temperature", 1010, -35, -3.5),
    ]:
        d.number(name, 3, address, "INT16", raw, value)
    d.number("state", 3, 2006, "UINT16", 11, 11.0)
    d.flags(3, {
        "defrost": (1035, 0), "defrost_hold": (2021, 0), "night_in_force": (2532, 0), "cleaning": (20010, 0),
        "standby": (20011, 1), "door": (2001, 0), "compressor": (2509, 1), "fan": (2510, 1),
        "defrost_heater": (2511, 0), "alarm": (2540, 1), "controller_fault": (19999, 1),
        "clock_fault": (20000, 0), "probe_fault_1": (20001, 1), "probe_fault_2": (20002, 0),
        "alarm_high": (20003, 1), "alarm_low": (20004, 0), "door_alarm": (20005, 1),
        "input_alarm_1": (20006, 0), "condenser_alarm": (20007, 1), "defrost_timeout": (20008, 0),
        "hold_timeout": (20009, 1), "on": (116, 1), "defrost_start": (1012, 0), "night": (125, 0),
        "alarm_reset": (2045, 0),
    })
    d.write()

    # Hundredths at the addresses where the EKC 202 has tenths.
    d = Device("danfoss-erc-213")
    for name, address, raw, value in [
        ("air_temperature", 2529, -2140, -21.4), ("set_point", 99, -2200, -22.0),
        ("set_point_in_force", 2500, -2200, -22.0), ("defrost_temperature", 1010, -2675, -26.75),
        ("condenser_temperature", 2646, 4105, 41.05),
    ]:
        d.number(name, 3, address, "INT16", raw, value)
    d.number("state", 3, 2006, "UINT16", 3, 3.0)
    d.flags(3, {
        "night_in_force": (2532, 0), "door": (2001, 1), "input_2": (2555, 0), "compressor": (2509, 1),
        "fan": (2510, 1), "defrost": (2511, 0), "alarm_output": (2582, 0), "on": (116, 1),
    })
    d.write()


def carel():
    """A chiller at 3.7 °C; coil 54 is 0, so it is on."""
    d = Device("carel-ir33")
    for name, function, address, raw, value in [
        ("air_temperature", 4, 403, 37, 3.7), ("virtual_temperature", 4, 406, 36, 3.6),
        ("defrost_temperature", 4, 412, -52, -5.2), ("set_point", 3, 404, 20, 2.0),
        ("alarm_high_limit", 3, 416, 80, 8.0), ("alarm_low_limit", 3, 429, -10, -1.0),
        ("alarm_differential", 3, 427, 15, 1.5), ("alarm_delay", 3, 495, 120, 120.0),
        ("defrost_interval", 3, 464, 8, 8.0), ("defrost_duration_max", 3, 472, 30, 30.0),
        ("drip_time", 3, 489, 2, 2.0),
    ]:
        d.number(name, function, address, "INT16", raw, value)
    for name, address, value in [
        ("defrost_heater", 0, 1), ("probe_fault", 3, 0), ("probe_fault_2", 6, 1), ("compressor", 7, 1),
        ("aux_output", 8, 0), ("fan", 13, 1), ("defrost", 18, 1), ("door_alarm", 28, 1),
        ("defrost_timeout", 29, 0), ("door", 43, 1),
    ]:
        d.bit(name, 2, address, value)
    for name, address, value in [
        ("alarm_low", 2, 0), ("alarm_high", 5, 1), ("condenser_alarm", 25, 1), ("defrost_start", 32, 0),
        ("continuous_cycle", 40, 0), ("light", 51, 1), ("aux", 60, 1),
    ]:
        d.bit(name, 1, address, value)
    d.bit("on", 1, 54, 0, meaning=1)
    d.write()


def eliwell():
    """No second probe: 0x8000."""
    d = Device("eliwell-idplus-9xx")
    d.number("air_temperature", 3, 295, "INT16", -187, -18.7)
    d.number("defrost_temperature", 3, 297, "INT16", -0x8000, FAULT)
    d.number("aux_temperature", 3, 299, "INT16", 215, 21.5)
    d.number("set_point", 3, 16416, "INT16", -200, -20.0)
    d.word(3, 32877, 1 << 1, haccp_alarm=1.0)
    d.word(3, 32876, 1 << 7 | 1 << 6, door_alarm=1.0, alarm_low=1.0, alarm_high=0.0)
    d.word(3, 32886, 1 << 3 | 1 << 15, compressor=1.0, defrost=0.0)
    d.word(3, 32888, 0xFF7F, fan=0.0)
    d.word(3, 32896, 1 << 3, door=1.0)
    d.word(3, 32865, 1 << 1, defrost_start=0.0, economy_on=1.0, economy_off=0.0)
    d.write()


def parker():
    """Dripping after a defrost, power failure and low alarm, second probe broken."""
    d = Device("parker-psk214")
    for name, address, raw, value in [
        ("air_temperature", 0x552, -176, -17.6), ("defrost_temperature", 0x553, 81, 8.1),
        ("aux_temperature", 0x554, 0x7FFF, RANGE), ("set_point_in_force", 0x558, -180, -18.0),
        ("set_point", 0x601, -200, -20.0),
    ]:
        d.number(name, 3, address, "INT16", raw, value)
    d.word(3, 0x551, 1 << 0 | 1 << 9, door=1.0, compressor=0.0, defrost=1.0, fan=0.0)
    d.word(3, 0x555, 0x1000 | 0x0020 | 0x0200, alarm_low=1.0, alarm_high=0.0, power_failure=1.0,
           door_alarm=0.0, probe_fault_1=0.0, probe_fault_2=1.0, probe_fault_3=0.0)
    d.word(3, 0x557, 0xF2FF & ~0x0100 | 0x0200, state=2.0)
    d.number("compressor_hours", 3, 0x2896, "UINT16", 41234, 41234.0)
    d.write()


def dixell():
    d = Device("dixell-xr")
    for name, address, raw, value in [
        ("air_temperature", 0x100, -55, -5.5), ("defrost_temperature", 0x101, -5500, RANGE),
        ("aux_temperature", 0x102, 1, 0.1),
    ]:
        d.number(name, 3, address, "INT16", raw, value)
    for number, word, value in [(1, 0x0B00, 11.0), (2, 0x80FF, 128.0), (3, 0x00FF, 0.0)]:
        d.word(3, 1279 + number, word, **{f"status_{number}": value})
    d.write()
    d = Device("dixell-xr77u")
    for name, address, raw, value in [
        ("air_temperature", 256, 252, 25.2), ("defrost_temperature", 257, -301, -30.1),
        ("aux_temperature", 258, 0, 0.0), ("set_point", 853, -180, -18.0), ("alarm_high_limit", 777, 500, 50.0),
        ("alarm_low_limit", 778, -500, -50.0), ("alarm_delay", 780, 15, 15.0), ("defrost_interval", 786, 6, 6.0),
        ("defrost_duration_max", 789, 30, 30.0), ("drip_time", 797, 2, 2.0),
    ]:
        d.number(name, 3, address, "INT16", raw, value)
    for name, address, value in [("defrost", 536, 0), ("fan", 539, 1), ("compressor", 542, 1), ("alarm", 544, 0)]:
        d.bit(name, 1, address, value)
    d.write()


def three(d, function, kind, voltage, current, power, raws, low_first=False, power_kind=None):
    """Voltages, currents and powers of three phases; addresses of the first, and (raw, value) triples."""
    step = 1 if kind == "UINT16" else 2
    for number in range(3):
        for name, base, of, which in [("voltage", voltage, kind, 0), ("current", current, kind, 1)]:
            raw, value = raws[which][number]
            d.number(f"{name}_{number + 1}", function, base + step * number, of, raw, value, low_first)
        of = power_kind or kind
        raw, value = raws[2][number]
        step_p = 1 if of == "INT16" else 2
        d.number(f"power_{number + 1}", function, power + step_p * number, of, raw, value, low_first)


def same(*values):
    return [(value, value) for value in values]


def scaled(divisor, *raws):
    return [(raw, raw / divisor) for raw in raws]


def eastron():
    d = Device("eastron-sdm630")
    three(d, 4, "FLOAT32", 0x00, 0x06, 0x0C,
          [same(230.5, 229.25, 231.75), same(4.5, 0.25, 11.0), same(1036.0, -52.5, 2540.25)])
    for name, address, value in [
        ("power_total", 0x34, 3523.75), ("power_factor", 0x3E, 0.9375), ("frequency", 0x46, 49.96875),
        ("energy_import", 0x48, 4321.5), ("energy_export", 0x4A, 12.25), ("energy_total", 0x156, 4333.75),
    ]:
        d.number(name, 4, address, "FLOAT32", value, value)
    d.write()


def chint():
    d = Device("chint-dtsu666")
    three(d, 3, "FLOAT32", 0x2006, 0x200C, 0x2014,
          [scaled(10, 2305.0, 2296.0, 2311.0), scaled(1000, 4500.0, 250.0, 11000.0),
           scaled(10, 10360.0, -525.0, 25402.0)])
    d.number("power_total", 3, 0x2012, "FLOAT32", 35237.0, 3523.7)
    for name, address, raw, value in [
        ("power_factor", 0x202A, 937.0, 0.937), ("power_factor_1", 0x202C, 1000.0, 1.0),
        ("power_factor_2", 0x202E, -998.0, -0.998), ("power_factor_3", 0x2030, 0.0, 0.0),
        ("frequency", 0x2044, 5001.0, 50.01), ("energy_import", 0x101E, 1234.5, 1234.5),
        ("energy_export", 0x1028, 0.75, 0.75),
    ]:
        d.number(name, 3, address, "FLOAT32", raw, value)
    d.write()


def schneider():
    """A model that does not measure the frequency answers that it is not a number."""
    d = Device("schneider-iem3000")
    three(d, 3, "FLOAT32", 0x0BD3, 0x0BB7, 0x0BED,
          [same(230.5, 229.25, 231.75), same(4.5, 0.25, 11.0), [(1.5, 1500.0), (-0.25, -250.0), (2.0, 2000.0)]])
    d.number("power_total", 3, 0x0BF3, "FLOAT32", 3.25, 3250.0)
    d.number("frequency", 3, 0x0C25, "FLOAT32", float("nan"), FAULT)
    for name, address, raw, value in [
        ("energy_import", 0x0C83, 12_345_678_901, 12_345_678.901), ("energy_export", 0x0C87, 17, 0.017),
        ("energy_import_1", 0x0DBD, 5_000_000_000, 5_000_000.0), ("energy_import_2", 0x0DC1, 1, 0.001),
        ("energy_import_3", 0x0DC5, 0, 0.0),
    ]:
        d.number(name, 3, address, "INT64", raw, value)
    d.write()


def abb():
    """Phase 3 is not connected: all ones, or 7FFF… where the number is signed."""
    d = Device("abb-b23")
    three(d, 3, "UINT32", 0x5B00, 0x5B0C, 0x5B16,
          [[(2305, 230.5), (2296, 229.6), (0xFFFF_FFFF, FAULT)], [(450, 4.5), (25, 0.25), (0xFFFF_FFFF, FAULT)],
           [(103_600, 1036.0), (-5250, -52.5), (0x7FFF_FFFF, FAULT)]], power_kind="INT32")
    d.number("power_total", 3, 0x5B14, "INT32", 98_350, 983.5)
    d.number("frequency", 3, 0x5B2C, "UINT16", 4998, 49.98)
    d.number("power_factor", 3, 0x5B3A, "INT16", -995, -0.995)
    d.number("energy_import", 3, 0x5000, "UINT64", 9_876_543_210, 98_765_432.1)
    d.number("energy_export", 3, 0x5004, "UINT64", 0xFFFF_FFFF_FFFF_FFFF, FAULT)
    d.write()


def carlo_gavazzi():
    """Low word first."""
    d = Device("carlo-gavazzi-em24")
    three(d, 4, "INT32", 0x00, 0x0C, 0x12,
          [scaled(10, 2305, 2296, 2311), scaled(1000, 4500, 70_250, 11), scaled(10, 10_360, -525, 700_000)],
          low_first=True)
    assert d.memory[(4, 0x0E)] == 70_250 & 0xFFFF and d.memory[(4, 0x0F)] == 1
    for name, address, raw, value in [
        ("power_total", 0x28, -70_000, -7000.0), ("energy_import", 0x42, 1_234_567, 123_456.7),
        ("energy_export", 0x5C, 3, 0.3), ("energy_import_1", 0x46, 1_000_000, 100_000.0),
        ("energy_import_2", 0x48, 1, 0.1), ("energy_import_3", 0x4A, 0, 0.0),
    ]:
        d.number(name, 4, address, "INT32", raw, value, low_first=True)
    d.number("power_factor", 4, 0x35, "INT16", -870, -0.87)
    d.number("frequency", 4, 0x37, "INT16", 500, 50.0)
    d.write()
    d = Device("carlo-gavazzi-em340")
    three(d, 4, "INT32", 0x00, 0x0C, 0x12,
          [scaled(10, 2301, 2299, 2307), scaled(1000, 65_536, 2, 999), scaled(10, 150_000, -1, 42)],
          low_first=True)
    for name, address, raw, value in [
        ("power_total", 0x28, 150_041, 15_004.1), ("energy_import", 0x34, 7_654_321, 765_432.1),
        ("energy_export", 0x4E, 65_537, 6553.7), ("energy_import_1", 0x40, 7_000_000, 700_000.0),
        ("energy_import_2", 0x42, 654_320, 65_432.0), ("energy_import_3", 0x44, 1, 0.1),
    ]:
        d.number(name, 4, address, "INT32", raw, value, low_first=True)
    d.number("power_factor", 4, 0x31, "INT16", 912, 0.912)
    d.number("frequency", 4, 0x33, "INT16", 499, 49.9)
    d.write()


def inepro():
    """Powers in kW."""
    d = Device("inepro-pro380")
    three(d, 3, "FLOAT32", 0x5002, 0x500C, 0x5014,
          [same(230.5, 229.25, 231.75), same(4.5, 0.25, 11.0), [(1.5, 1500.0), (-0.25, -250.0), (2.0, 2000.0)]])
    d.number("power_total", 3, 0x5012, "FLOAT32", 3.25, 3250.0)
    for name, address, value in [
        ("frequency", 0x5008, 49.96875), ("power_factor", 0x502A, 0.9375), ("energy_total", 0x6000, 4333.75),
        ("energy_import", 0x600C, 4321.5), ("energy_export", 0x6018, 12.25), ("energy_import_1", 0x6012, 4000.0),
        ("energy_import_2", 0x6014, 321.25), ("energy_import_3", 0x6016, 0.25),
    ]:
        d.number(name, 3, address, "FLOAT32", value, value)
    d.write()


def orno():
    d = Device("orno-we-514")
    for name, address, kind, raw, value in [
        ("frequency", 0x130, "UINT16", 5002, 50.02), ("voltage_1", 0x131, "UINT16", 23051, 230.51),
        ("current_1", 0x139, "UINT32", 65_537, 65.537), ("power_total", 0x140, "UINT32", 70_001, 70_001.0),
        ("power_factor", 0x158, "UINT16", 991, 0.991), ("energy_total", 0xA000, "UINT32", 123_456, 1234.56),
    ]:
        d.number(name, 3, address, kind, raw, value)
    d.write()


def acrel():
    d = Device("acrel-adw300")
    three(d, 3, "UINT16", 20, 26, 30,
          [scaled(10, 2305, 2296, 2311), scaled(100, 450, 25, 1100),
           [(1036, 1036.0), (-52, -52.0), (70_000, 70_000.0)]], power_kind="INT32")
    d.number("power_total", 3, 36, "INT32", 70_984, 70_984.0)
    d.number("energy_import", 3, 62, "INT32", 7_654_321, 76_543.21)
    d.number("energy_export", 3, 64, "INT32", 5, 0.05)
    d.write()
    d = Device("acrel-adl3000-e")
    three(d, 3, "UINT16", 97, 100, 103,
          [scaled(10, 2392, 2388, 2395), scaled(100, 89, 155, 119), [(154, 154.0), (275, 275.0), (-231, -231.0)]],
          power_kind="INT16")
    d.number("power_total", 3, 106, "INT16", 198, 198.0)
    for name, address, raw, value in [
        ("energy_total", 0x00, 7_654_321, 76_543.21), ("energy_import", 0x0A, 65_536, 655.36),
        ("energy_export", 0x14, 5, 0.05),
    ]:
        d.number(name, 3, address, "UINT32", raw, value)
    d.write()


def pzem():
    """Low word first."""
    d = Device("pzem-016")
    d.number("voltage_1", 4, 0, "UINT16", 2303, 230.3)
    d.number("current_1", 4, 1, "UINT32", 70_123, 70.123, low_first=True)
    d.number("power_total", 4, 3, "UINT32", 161_500, 16_150.0, low_first=True)
    d.number("energy_total", 4, 5, "UINT32", 1_234_567, 1234.567, low_first=True)
    d.number("frequency", 4, 7, "UINT16", 499, 49.9)
    d.number("power_factor", 4, 8, "UINT16", 98, 0.98)
    d.write()


def wiren_board():
    """Energies low word first, powers high word first; phase 2 without voltage."""
    d = Device("wirenboard-map3e")
    three(d, 4, "UINT32", 0x1410, 0x1416, 0x1302,
          [[(1_510_603_978, 1_510_603_978 * 1.52588e-7), (0xFFFF_FFFF, FAULT), (0, 0.0)],
           [(18_432_000, 18_432_000 * 2.44141e-7), (0, 0.0), (4_096_000, 1.000001536)],
           [(202_344, 1036.00128), (-10_254, -52.50048), (100_000, 512.0)]], power_kind="INT32")
    d.number("power_total", 4, 0x1300, "INT32", 200_000, 1024.0)
    d.number("power_factor", 4, 0x10BC, "INT16", 998, 0.998)
    d.number("frequency", 4, 0x10F8, "UINT16", 5001, 50.01)
    for name, address, raw, value in [
        ("energy_import", 0x1200, 432_150_000_000, 4_321_500.0), ("energy_export", 0x1210, 1, 0.00001),
        ("energy_import_1", 0x1204, 100_000, 1.0), ("energy_import_2", 0x1208, 65_536, 0.65536),
        ("energy_import_3", 0x120C, 0, 0.0),
    ]:
        d.number(name, 4, address, "UINT64", raw, value, low_first=True)
    d.write()


def relays():
    d = Device("waveshare-relay-8")
    for number, value in enumerate([1, 0, 1, 1, 0, 0, 1, 0]):
        d.bit(f"relay_{number + 1}", 1, number, value)
    d.write()
    d = Device("wirenboard-mr6c")
    for number, value in enumerate([0, 1, 1, 0, 0, 1]):
        d.bit(f"relay_{number + 1}", 1, number, value)
        d.bit(f"input_{number + 1}", 2, number, 1 - value)
    d.write()


def air():
    d = Device("haier-ycj-a002")
    d.bit("on", 1, 0, 1)
    for name, function, address, raw in [
        ("set_point", 3, 0, 24), ("mode", 3, 1, 2), ("fan_speed", 3, 2, 4), ("lock", 3, 3, 1),
        ("room_temperature", 4, 0, -3), ("alarm_code", 4, 1, 0),
    ]:
        d.number(name, function, address, "INT16", raw, float(raw))
    d.write()
    d = Device("onokom-air-dk-1")
    d.bit("on", 1, 1, 0)
    for name, address, raw, value in [
        ("set_point", 5, 2350, 23.5), ("mode", 1, 2, 2.0), ("mode_in_force", 2, 0, 0.0),
        ("room_temperature", 3, 2617, 26.17), ("outdoor_temperature", 4, -1234, -12.34),
        ("thermostat", 6, 1, 1.0), ("fan_speed", 7, 5, 5.0),
    ]:
        d.number(name, 3, address, "INT16", raw, value)
    d.write()
    d = Device("xy-md02")
    d.number("air_temperature", 4, 1, "INT16", -45, -4.5)
    d.number("humidity", 4, 2, "UINT16", 1001, RANGE)
    d.write()


if __name__ == "__main__":
    for family in (danfoss, carel, eliwell, parker, dixell, eastron, chint, schneider, abb, carlo_gavazzi,
                   inepro, orno, acrel, pzem, wiren_board, relays, air):
        family()
