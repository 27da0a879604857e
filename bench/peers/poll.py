"""Polls each device in a task of its own and publishes the registers: a message a poll, QoS 0.

Usage: poll.py MQTT_PORT EVERY_MS REGISTERS HOST:PORT...     (EVERY_MS 0: at once)
"""

import asyncio
import json
import sys

import paho.mqtt.client as mqtt
from pymodbus.client import AsyncModbusTcpClient


async def poll(number: int, address: str, every: float, registers: int, broker: mqtt.Client) -> None:
    host, port = address.rsplit(":", 1)
    device = AsyncModbusTcpClient(host, port=int(port))
    await device.connect()
    clock = asyncio.get_running_loop()
    due = clock.time()
    while True:
        answer = await device.read_holding_registers(0, count=registers, device_id=1)
        if answer.isError():
            raise SystemExit(f"{address}: {answer}")
        broker.publish(f"python/{number}", json.dumps(answer.registers))
        if every > 0:
            due = max(due + every, clock.time())
            await asyncio.sleep(due - clock.time())


async def main() -> None:
    port, every_ms, registers, *addresses = sys.argv[1:]
    broker = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    broker.connect("127.0.0.1", int(port))
    broker.loop_start()
    every = int(every_ms) / 1000
    await asyncio.gather(*(poll(n, a, every, int(registers), broker) for n, a in enumerate(addresses)))


asyncio.run(main())
